"""The seasons in which the demo landscape is seen: the same land, with other crops, leaves and light."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dataProcessors.demo import built_up, countryside
from dataProcessors.demo.canvas import SOIL, Pixels, blend, choose, fade, shade
from dataProcessors.demo.painting import PAINTERS

Painter = Callable[[Pixels], np.ndarray]

STUBBLE = [(176, 156, 112), (158, 138, 98), (190, 172, 130)]
WINTER_CROPS = [(64, 84, 44), (82, 98, 54), (96, 104, 62)]
LEAFLESS = (98, 86, 74)  # branches and the litter below them


@dataclass(frozen=True)
class Season:
    """How the landscape looks at a time of the year.

    Attributes:
        painters: cover -> its painter
        light: illumination of the slopes in early summer -> that of the season, 1 on level ground
        shadow: how much darker the shadow of tall covers is, 0..1
        gains: brightness of each band, of early summer 1
        haze: added to each band
        noise: shift of the sensor's noise, another one for each season
    """

    painters: Mapping[str, Painter]
    light: Callable[[np.ndarray], np.ndarray]
    shadow: float
    gains: tuple[float, float, float]
    haze: tuple[float, float, float]
    noise: int


def browned(painter: Painter, share: float, litter: float = 0.0) -> Painter:
    """Return a painter whose green has turned brown by a share, with so much of leafless ground blended in."""

    def paint(p: Pixels) -> np.ndarray:
        colour = painter(p)
        green = share * np.clip(colour[:, 1] - colour[:, 0], 0, None)
        colour = colour + green[:, None] * np.array([1.2, -0.3, 0.1], np.float32)
        return blend(colour, LEAFLESS, np.full(len(green), litter))

    return paint


def harvested(p: Pixels) -> np.ndarray:
    """The fields of `countryside.arable` after the harvest: ploughed, stubble, or sown again."""
    kind, tone = p.of_parcel(31), p.of_parcel(32)
    colour = np.where((kind < 0.45)[:, None], choose(SOIL, tone), choose(STUBBLE, tone))
    colour = np.where((kind > 0.75)[:, None], choose(WINTER_CROPS, tone), colour)
    rows = np.sin(p.v * (2 * np.pi / (3 + 2.5 * p.of_parcel(5))))
    change = p.contrast * (0.05 * rows + 0.05 * p.noise("w32", 17) + 0.03 * p.noise("w5", 5))
    return blend(shade(colour, change + 0.2 * (p.of_parcel(33) - 0.5)), (104, 92, 66), 0.6 * fade(p.border, 1.2))


AUTUMN_PAINTERS = PAINTERS | {
    "arable": harvested,
    "pasture": browned(countryside.pasture, 0.5),
    "vineyard": browned(countryside.vineyard, 1.0),
    "orchard": browned(countryside.orchard, 0.8, 0.2),
    "broad-leaved": browned(countryside.broad_leaved, 1.0, 0.4),
    "mixed": browned(countryside.mixed, 0.5, 0.15),
    "grassland": browned(countryside.grassland, 0.9),
    "heath": browned(countryside.heath, 0.8),
    "scrub": browned(countryside.scrub, 0.8, 0.2),
    "marsh": browned(countryside.marsh, 1.0, 0.1),
    "bog": browned(countryside.bog, 0.6),
    "salt marsh": browned(countryside.salt_marsh, 0.8),
    "suburb": browned(built_up.suburb, 0.6),
    "park": browned(built_up.park, 0.6, 0.15),
    "sports": browned(built_up.sports, 0.4),
}
SUMMER = Season(PAINTERS, lambda slopes: slopes, 0.3, (1.0, 1.0, 1.0), (3.5, 4.5, 6.5), 0)
AUTUMN = Season(  # a low sun: long shadows, steep slopes in the dark, reddish light
    AUTUMN_PAINTERS, lambda slopes: 1 + np.float32(1.7) * (slopes - 1), 0.45, (0.84, 0.76, 0.7), (5.0, 6.5, 9.5), 401
)
SEASONS = {"summer": SUMMER, "autumn": AUTUMN}
