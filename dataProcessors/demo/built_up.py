"""The appearance of built-up land (towns, industry, parks, mines) at 10 m."""

import numpy as np

from dataProcessors.demo.canvas import (
    GRASS,
    SOIL,
    TREES,
    Colours,
    Pixels,
    blend,
    cells,
    choose,
    edge,
    fade,
    ramp,
    ridge,
    shade,
)
from dataProcessors.demo.noise import uniform

ROOFS = [(142, 100, 86), (156, 112, 94), (126, 94, 84), (120, 116, 112), (146, 142, 138), (98, 94, 92)]
HALLS = [
    (188, 190, 192), (156, 158, 162), (212, 214, 216), (116, 120, 128), (136, 128, 120), (164, 146, 136), (92, 98, 110),
]  # fmt: skip
ASPHALT = [(98, 96, 94), (124, 120, 116), (150, 146, 140)]


def _houses(p: Pixels, block_size: tuple[float, float], built: float, bend: float) -> np.ndarray:
    """Streets around blocks of lots; each lot is a roof, a yard or a garden."""
    block = p.cells(*block_size, 21, bend)
    lot = cells(block.along, block.across, np.float32(2.6), np.float32(2.3), block.hash)
    garden = ramp([(46, 64, 36), (80, 92, 54), (112, 110, 88)], uniform(lot.hash, 1))
    roof = choose(ROOFS, np.mod(0.8 * uniform(lot.hash, 2) + p.of_patch(3), 1))
    share = built + 0.25 * (uniform(block.hash, 3) - 0.5)
    colour = np.where((uniform(lot.hash, 4) < share)[:, None], roof, garden)
    colour = shade(colour, 0.3 * (uniform(lot.hash, 5) - 0.5))
    return blend(colour, (122, 118, 114), 0.85 * fade(edge(block, *block_size), 1.3))


def centre(p: Pixels) -> np.ndarray:
    """Dense old blocks with little green."""
    return _houses(p, (12, 9), 0.88, 1.5) * np.float32(0.75) + np.array([33, 31, 29], np.float32)


def suburb(p: Pixels) -> np.ndarray:
    """Houses in gardens along streets."""
    return _houses(p, (19, 8.5), 0.42, 3)


def industry(p: Pixels) -> np.ndarray:
    """Large halls on asphalt yards with strips of grass."""
    plot = p.cells(26, 17, 33)
    inset = 1.5 + 4 * uniform(plot.hash, 1)
    ground = choose([*ASPHALT, (92, 100, 66), (134, 124, 104)], uniform(plot.hash, 2))
    ground = shade(ground, 0.08 * p.noise("w5") + 0.06 * p.noise("w16"))
    gap = edge(plot, 26, 17)
    hall = np.clip(gap - inset, 0, 1) * (uniform(plot.hash, 3) < 0.72)
    roof = shade(choose(HALLS, uniform(plot.hash, 4)), 0.05 * np.sin(plot.along * 1.6) + 0.2 * (p.of_patch(3) - 0.5))
    return blend(blend(ground, roof, hall), (112, 108, 104), 0.9 * fade(gap, 1.2))


def park(p: Pixels) -> np.ndarray:
    """Lawns, groups of trees, winding paths and a few ponds."""
    colour = ramp(GRASS, 0.1 + 0.55 * p.of_patch(2) + 0.06 * p.noise("w32"))
    groups = np.clip((p.noise("w32", 6) + 0.25 * p.noise("w5")) * 3 - 0.6, 0, 1)
    colour = blend(colour, shade(ramp(TREES, 0.3 + 0.6 * p.of_patch(3)), 0.14 * p.noise("w5", 9)), groups)
    colour = blend(colour, (30, 46, 46), np.clip(p.noise("w64", 8) * 6 - 11, 0, 1))
    return blend(colour, (164, 154, 132), 0.75 * ridge(p.noise("w64", 90) + 0.2 * p.noise("w32", 3), 0.09))


def sports(p: Pixels) -> np.ndarray:
    """Golf courses (fairways, rough with trees, bunkers) and sports fields in rows."""
    golf = p.of_patch(5) < 0.6
    fairway = np.clip(p.noise("w32", 15) * 4 - 1, 0, 1)
    colour = blend(ramp(GRASS, 0.1 + 0.5 * p.of_patch(2)), (92, 114, 62), fairway)
    trees = np.clip((p.noise("w16", 5) + 0.3 * p.noise("w5")) * 3 - 3, 0, 1)
    colour = blend(colour, (36, 56, 32), trees * (1 - fairway))
    colour = blend(colour, (196, 184, 150), np.clip(p.noise("w8", 5) * 4 - 8, 0, 1))
    pitch = p.cells(13, 9, 41)
    field = choose([(70, 92, 50), (82, 104, 56), (94, 110, 66), (122, 96, 82), (104, 116, 76)], uniform(pitch.hash, 1))
    field = blend(field, (44, 62, 38), uniform(pitch.hash, 2) < 0.25)
    field = blend(field, (126, 122, 104), 0.8 * fade(edge(pitch, 13, 9), 1.6))
    return np.where(golf[:, None], colour, field)


def _terraces(p: Pixels, steps: float, colours: Colours) -> np.ndarray:
    """Terraces along contour lines, each with a bright edge and a dark foot."""
    height = (p.noise("w128", 5) + 0.35 * p.noise("w64", 7)) * np.float32(steps)
    bench = height - np.floor(height)
    colour = ramp(colours, 0.1 + 0.6 * p.of_patch(2) + 0.1 * p.noise("w64", 2) + 0.12 * np.sin(np.floor(height) * 2.4))
    return shade(colour, p.contrast * (0.16 * (bench > 0.78) - 0.26 * (bench < 0.2)) + 0.04 * p.noise("w5"))


def quarry(p: Pixels) -> np.ndarray:
    """A terraced pit with water at its lowest level."""
    colour = _terraces(p, 3.2, [(104, 94, 82), (146, 132, 110), (178, 166, 144), (200, 192, 176)])
    return blend(colour, (52, 88, 88), np.clip(p.noise("w128", 5) * 8 - 13, 0, 1))


def dump(p: Pixels) -> np.ndarray:
    """Heaps with parallel ridges, partly overgrown."""
    colour = _terraces(p, 2, [(82, 76, 68), (108, 98, 84), (136, 124, 104)])
    colour = shade(colour, p.contrast * 0.12 * p.noise("swell", 5))
    return blend(colour, (82, 94, 54), np.clip(p.noise("w32", 4) - 0.5, 0, 0.8))


def construction(p: Pixels) -> np.ndarray:
    """Bare ground in rough pieces with tracks, sheds and the first roofs."""
    site = p.cells(17, 14, 51)
    colour = ramp(SOIL, 0.2 + 0.5 * p.of_patch(2) + 0.3 * uniform(site.hash, 1) + 0.06 * p.noise("w16"))
    colour = shade(colour, p.contrast * 0.07 * p.noise("w3"))
    colour = blend(colour, (190, 178, 152), 0.7 * ridge(p.noise("w32", 9), 0.1))
    shed = (edge(site, 17, 14) > 4) & (uniform(site.hash, 2) < 0.3)
    return blend(colour, choose(HALLS, uniform(site.hash, 3)), 0.85 * shed)
