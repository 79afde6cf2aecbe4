"""The land covers of the demo landscape, and which covers occur together in a district."""

from typing import NamedTuple

import numpy as np


class Cover(NamedTuple):
    """One kind of land cover: its class in the OSM legend, its code in the CLC legend."""

    osm: str
    clc: int


COVERS = {
    "arable": Cover("arable land", 211),
    "pasture": Cover("pastures", 231),
    "vineyard": Cover("permanent crops", 221),
    "orchard": Cover("permanent crops", 222),
    "broad-leaved": Cover("forest", 311),
    "coniferous": Cover("forest", 312),
    "mixed": Cover("forest", 313),
    "grassland": Cover("shrub", 321),
    "heath": Cover("shrub", 322),
    "scrub": Cover("shrub", 324),
    "beach": Cover("open space", 331),
    "dune": Cover("open space", 331),
    "rock": Cover("open space", 332),
    "gravel": Cover("open space", 333),
    "marsh": Cover("wetlands", 411),
    "bog": Cover("wetlands", 412),
    "salt marsh": Cover("coastal wetlands", 421),
    "tidal flat": Cover("coastal wetlands", 423),
    "centre": Cover("urban fabric", 111),
    "suburb": Cover("urban fabric", 112),
    "industry": Cover("industrial", 121),
    "park": Cover("artificial, non-agricultural vegetated", 141),
    "sports": Cover("artificial, non-agricultural vegetated", 142),
    "quarry": Cover("mine, dump and construction site", 131),
    "dump": Cover("mine, dump and construction site", 132),
    "construction": Cover("mine, dump and construction site", 133),
    "river": Cover("water", 511),
    "lake": Cover("water", 512),
    "estuary": Cover("water", 522),
    "sea": Cover("water", 523),
}
INDEX = {name: index for index, name in enumerate(COVERS)}
UNMAPPED = 255  # cover index of land that the OSM label map leaves white


def members(*names: str) -> np.ndarray:
    """Return a (256,) bool table that is True at the index of each named cover."""
    table = np.zeros(256, bool)
    table[[INDEX[name] for name in names]] = True
    return table


CULTIVATED = members("arable", "pasture", "vineyard", "orchard")  # covers that end at straight parcel borders
WATER = members("river", "lake", "estuary", "sea")
TALL = members("broad-leaved", "coniferous", "mixed", "centre")  # covers that cast a shadow


class District(NamedTuple):
    """A kind of district: its share of the districts on land, the shares of its covers, and how settled it is."""

    share: float
    covers: dict[str, float]
    villages: float = 0.0
    lowland: float = 0.0  # > 0 prefers low ground, < 0 hills


DISTRICT_KINDS = {
    "cropland": District(0.20, {"arable": 82, "pasture": 6, "broad-leaved": 6, "mixed": 3, "orchard": 3}, 0.35, 0.5),
    "grazing": District(0.12, {"pasture": 80, "arable": 8, "broad-leaved": 5, "marsh": 4, "grassland": 3}, 0.3, 0.5),
    "deciduous": District(0.09, {"broad-leaved": 82, "mixed": 8, "pasture": 5, "scrub": 5}, 0.05, -0.5),
    "conifers": District(0.08, {"coniferous": 80, "mixed": 10, "scrub": 5, "heath": 5}, 0.03, -0.8),
    "heathland": District(0.07, {"heath": 40, "scrub": 28, "grassland": 22, "coniferous": 6, "gravel": 4}, 0.02, 0.0),
    "moor": District(0.055, {"marsh": 40, "bog": 42, "pasture": 8, "scrub": 6, "broad-leaved": 4}, 0.02, 0.7),
    "vineyards": District(0.045, {"vineyard": 84, "orchard": 4, "arable": 6, "broad-leaved": 6}, 0.25, -0.7),
    "orchards": District(0.035, {"orchard": 80, "pasture": 10, "arable": 10}, 0.25, 0.0),
    "city": District(0.10, {"suburb": 54, "centre": 26, "park": 10, "sports": 4, "industry": 6}, 0.0, 0.3),
    "works": District(0.055, {"industry": 78, "suburb": 8, "construction": 6, "park": 4, "pasture": 4}, 0.0, 0.3),
    "leisure": District(0.045, {"park": 38, "sports": 44, "suburb": 10, "broad-leaved": 8}, 0.0, 0.0),
    "mining": District(0.05, {"quarry": 46, "dump": 16, "construction": 18, "scrub": 10, "gravel": 10}, 0.0, -0.3),
    "barren": District(0.055, {"rock": 34, "gravel": 28, "dune": 26, "grassland": 12}, 0.0, -0.4),
}
