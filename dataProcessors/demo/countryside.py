"""The appearance of farmland, woods, open land, wetlands and water at 10 m."""

import numpy as np

from dataProcessors.demo.canvas import GRASS, SOIL, TREES, Pixels, blend, choose, edge, fade, ramp, ridge, shade
from dataProcessors.demo.noise import uniform

CROPS = [
    (54, 78, 42), (64, 88, 46), (78, 94, 54), (44, 66, 38), (128, 124, 48), (144, 128, 88),
    (160, 144, 106), (122, 100, 78), (102, 82, 66), (138, 116, 90), (90, 76, 62), (88, 90, 60),
]  # fmt: skip


def arable(p: Pixels) -> np.ndarray:
    """Fields of one crop each, with plough lines along the field, some with tractor tracks."""
    season = 0.45 * p.of_patch(2) + 0.55 * p.of_parcel(2)
    colour = choose(CROPS, np.where(p.of_parcel(3) < 0.55, season, p.of_parcel(4)))
    period = 3 + 2.5 * p.of_parcel(5)
    rows = np.sin(p.v * (2 * np.pi / period))
    tram = (np.mod(p.v, 7 + 4 * p.of_parcel(6)) < 1) & (p.of_parcel(7) < 0.4)
    change = p.contrast * (0.045 * rows + 0.05 * p.noise("w32") + 0.025 * p.noise("w5")) - 0.12 * tram
    change += 0.25 * (p.of_parcel(8) - 0.5)
    return blend(shade(colour, change), (86, 96, 58), 0.6 * fade(p.border, 1.2))


def pasture(p: Pixels) -> np.ndarray:
    """Continuous grass with faint spots, hedges around most parcels, single trees."""
    colour = ramp(GRASS, 0.55 * p.of_patch(2) + 0.35 * p.of_parcel(2) + 0.08 * p.noise("w64") + 0.05)
    colour = shade(colour, p.contrast * (0.05 * p.noise("w16") + 0.03 * p.noise("w5")))
    hedge = fade(p.border + 0.5 * p.noise("w5", 3), 2.2) * (p.of_parcel(3) < 0.75)
    trees = np.clip(p.noise("w8", 40) - 2.1, 0, 1) * 1.5
    return blend(colour, (32, 52, 30), np.clip(hedge + trees, 0, 1))


def vineyard(p: Pixels) -> np.ndarray:
    """Small plots of vine rows over bright soil, with tracks between them."""
    plot = p.cells(22, 11, 5)
    turned = uniform(plot.hash, 1) < 0.3
    row = np.sin(np.where(turned, plot.along, plot.across) * np.float32(2 * np.pi / 3.1))
    colour = blend(ramp(SOIL, 0.3 + 0.6 * p.of_patch(2)), (58, 80, 42), 0.35 + 0.3 * uniform(plot.hash, 2))
    colour = shade(colour, p.contrast * 0.2 * row + 0.04 * p.noise("w5"))
    return blend(colour, (164, 148, 120), 0.7 * fade(edge(plot, 22, 11), 1))


def orchard(p: Pixels) -> np.ndarray:
    """Trees on a grid over grass, in plots."""
    grid = np.sin(p.u * np.float32(2 * np.pi / 3.6)) * np.sin(p.v * np.float32(2 * np.pi / 3.6))
    colour = ramp(GRASS, 0.2 + 0.6 * p.of_patch(2) + 0.2 * p.of_parcel(2))
    trees = np.clip(0.5 + (0.9 + 0.8 * p.contrast) * grid + 0.12 * p.noise("w5"), 0, 1)
    colour = blend(colour, (36, 58, 32), 0.75 * trees)
    return blend(colour, (140, 126, 96), 0.6 * fade(p.border, 1.2))


def _stand(p: Pixels, crowns: np.ndarray, tone: np.ndarray) -> np.ndarray:
    """Forest: tree crowns, parts of different age, clearings, tracks."""
    colour = shade(ramp(TREES, tone + 0.08 * p.noise("w64", 20)), p.contrast * crowns)
    clearing = np.clip(p.noise("w64", 100) * 3 - 5.4, 0, 1)
    colour = blend(colour, ramp(GRASS, p.of_patch(4)), clearing * 0.9)
    return blend(colour, (96, 92, 70), 0.7 * ridge(p.noise("w128", 60), 0.022))


def broad_leaved(p: Pixels) -> np.ndarray:
    """Large round crowns, lighter green."""
    return _stand(p, 0.16 * p.noise("w5") + 0.08 * p.noise("w8", 4), 0.3 + 0.7 * p.of_patch(2))


def coniferous(p: Pixels) -> np.ndarray:
    """Dark, fine-grained forest with straight borders and clear-cuts."""
    colour = _stand(p, 0.15 * p.noise("w3"), 0.45 * p.of_patch(2) + 0.2 * p.of_parcel(2))
    cut = p.of_parcel(3) < 0.06
    colour = blend(colour, ramp(SOIL, p.of_parcel(4)), 0.6 * cut)
    return blend(colour, (70, 72, 52), 0.6 * fade(p.border, 1) * (p.of_parcel(5) < 0.5))


def mixed(p: Pixels) -> np.ndarray:
    """Groups of dark fine crowns and lighter coarse crowns."""
    dark = np.clip(0.5 + p.noise("w16", 8), 0, 1)
    return _stand(p, 0.17 * np.where(dark > 0.5, p.noise("w3"), p.noise("w5")), 0.7 - 0.55 * dark + 0.2 * p.of_patch(2))


def grassland(p: Pixels) -> np.ndarray:
    """Rough grass of varying tone, with scattered bushes."""
    colour = ramp(GRASS, 0.3 + 0.6 * p.of_patch(2) + 0.14 * p.noise("w16") + 0.1 * p.noise("w5"))
    return blend(colour, (44, 60, 36), np.clip(p.noise("w5", 30) * 1.2 - 1.5, 0, 1))


def heath(p: Pixels) -> np.ndarray:
    """Brown and purple dwarf shrubs in clumps over paler ground."""
    ground = ramp([(112, 98, 74), (92, 92, 58), (76, 84, 48)], p.of_patch(2) + 0.2 * p.noise("w32"))
    clumps = np.clip(0.4 + 0.3 * p.contrast * p.noise("w8") + 0.25 * p.noise("w16", 6) + 0.2 * p.noise("w3"), 0, 1)
    return blend(ground, ramp([(78, 64, 58), (56, 62, 42)], p.of_patch(3)), clumps * 0.85)


def scrub(p: Pixels) -> np.ndarray:
    """Young trees in dense clumps with grass between them."""
    ground = ramp(GRASS, 0.2 + 0.7 * p.of_patch(2) + 0.1 * p.noise("w16"))
    clumps = 0.45 + 0.3 * p.noise("w8", 50) + 0.3 * p.noise("w5", 5) + 0.35 * p.noise("w32", 2) + 0.12 * p.noise("w3")
    return blend(ground, ramp(TREES, 0.3 + 0.6 * p.of_patch(3)), np.clip(clumps, 0, 1) * 0.9)


def beach(p: Pixels) -> np.ndarray:
    """Bright sand, darker where it is wet."""
    return shade(ramp([(128, 116, 94), (186, 170, 136), (202, 188, 156)], p.coast / 6), 0.03 * p.noise("w16"))


def dune(p: Pixels) -> np.ndarray:
    """Parallel sand ridges, with grass between them."""
    crest = p.noise("swell") + 0.35 * p.noise("w16")
    tone = 0.1 + 0.6 * p.of_patch(2) + 0.2 * p.contrast * crest
    colour = ramp([(104, 106, 70), (150, 140, 104), (188, 172, 136)], tone)
    return blend(colour, (78, 88, 52), np.clip(p.noise("w32", 4) - 0.7, 0, 0.8))


def rock(p: Pixels) -> np.ndarray:
    """Grey facets, lit from one side, with cracks and some green."""
    colour = ramp([(92, 88, 82), (128, 122, 114), (158, 152, 142)], 0.15 + 0.6 * p.of_patch(2) + 0.12 * p.noise("w32"))
    slope = 0.5 * (p.noise("w16") - p.noise("w16", 2)) + 0.3 * (p.noise("w8") - p.noise("w8", 1))
    slope += 0.25 * (p.noise("w32", 5) - p.noise("w32", 8))
    colour = shade(colour, p.contrast * (0.13 * slope + 0.05 * p.noise("w3")) - 0.16 * ridge(p.noise("w64", 9), 0.05))
    return blend(colour, (72, 82, 50), np.clip(p.noise("w64", 3) - 0.9, 0, 0.7))


def gravel(p: Pixels) -> np.ndarray:
    """Pale stony ground with little vegetation and dry channels."""
    colour = ramp([(118, 112, 84), (146, 136, 108), (170, 160, 134)], 0.1 + 0.7 * p.of_patch(2) + 0.12 * p.noise("w64"))
    channel = ridge(p.noise("w64", 31) + 0.3 * p.noise("w16"), 0.16)
    colour = shade(colour, p.contrast * 0.06 * p.noise("w3") + 0.12 * channel)
    return blend(colour, (88, 96, 58), np.clip(p.noise("w8", 5) * 0.8 - 0.7, 0, 0.8))


def marsh(p: Pixels) -> np.ndarray:
    """Patches of reed and wet meadow, with open pools and ditches."""
    tone = 0.1 + 0.6 * p.of_patch(2) + 0.12 * p.noise("w16") + 0.08 * p.noise("w64", 3)
    colour = ramp([(46, 58, 34), (64, 76, 42), (92, 94, 58), (112, 106, 70)], tone)
    colour = shade(colour, p.contrast * 0.06 * p.noise("w5"))
    pools = np.clip((p.noise("w32", 12) + 0.4 * p.noise("w8")) * 2.5 - 2.6, 0, 1)
    return blend(colour, (26, 38, 36), np.maximum(pools, 0.8 * ridge(p.noise("w64", 21), 0.05)))


def bog(p: Pixels) -> np.ndarray:
    """Bands of moss and heath along the contour lines with dark hollows between them."""
    phase = 1.1 * p.noise("w128", 2) + 0.35 * p.noise("w64", 7)
    strings = np.sin(phase * np.float32(10) + 0.9 * p.noise("w16")) * np.clip(0.6 + 0.5 * p.noise("w32", 11), 0, 1)
    tone = 0.25 + 0.5 * p.of_patch(2) + 0.15 * p.contrast * strings + 0.08 * p.noise("w8", 2)
    colour = ramp([(42, 44, 30), (74, 70, 46), (104, 92, 62)], tone)
    return blend(shade(colour, 0.05 * p.noise("w5")), (24, 34, 34), np.clip(p.noise("w16", 3) * 2 - 3.4, 0, 1))


def _creeks(p: Pixels, width: float) -> np.ndarray:
    """Branching creeks, wider towards the sea."""
    large = p.wide_noise("w128", 3) + 0.35 * p.wide_noise("w32", 8)
    small = p.wide_noise("w32", 58) + 0.3 * p.wide_noise("w16")
    near = np.clip(1.2 - np.abs(large) / 0.7, 0, 1)  # small creeks end in a large one
    return np.maximum(ridge(large, width), near * ridge(small, 0.9 * width))


def salt_marsh(p: Pixels) -> np.ndarray:
    """Grey-green meadow cut by narrow creeks."""
    colour = ramp([(72, 78, 50), (92, 96, 62), (112, 108, 78)], 0.6 * p.of_patch(2) + 0.2 + 0.14 * p.noise("w16"))
    return blend(shade(colour, 0.04 * p.noise("w5")), (58, 66, 60), 0.9 * _creeks(p, 0.09))


def tidal_flat(p: Pixels) -> np.ndarray:
    """Smooth wet mud and sand, cut by creeks."""
    wet = np.clip(-p.coast / 190, 0, 1)
    tone = wet + 0.12 * p.wide_noise("w32") + 0.14 * p.wide_noise("w128", 5)
    colour = ramp([(124, 116, 98), (104, 100, 88), (78, 84, 82)], tone)
    return blend(shade(colour, 0.02 * p.noise("w8")), (44, 62, 66), 0.9 * _creeks(p, 0.13))


def river(p: Pixels) -> np.ndarray:
    """Brownish green water."""
    return shade(ramp([(38, 52, 46), (50, 60, 48)], 0.5 + 0.2 * p.wide_noise("w128")), 0.03 * p.wide_noise("w8"))


def lake(p: Pixels) -> np.ndarray:
    """Dark blue-green water, slightly mottled."""
    colour = ramp([(18, 32, 40), (24, 44, 50), (38, 60, 56)], 0.5 + 0.25 * p.wide_noise("w128", 3))
    return shade(colour, 0.01 * p.wide_noise("swell") + 0.02 * p.wide_noise("w32"))


def sea(p: Pixels) -> np.ndarray:
    """Turbid by the coast, dark blue further out, with swell."""
    clear = 1 - np.exp(np.minimum(p.coast, 0) / 330)
    colour = ramp([(86, 92, 84), (56, 78, 82), (30, 58, 74), (16, 40, 62)], clear + 0.04 * p.wide_noise("w128", 4))
    swell = 0.012 * (p.wide_noise("swell", 1) + p.wide_noise("w5"))
    return shade(colour, swell + 0.015 * p.wide_noise("w64", 2))
