"""Land use: districts of one kind a few km across, patches of one cover inside them, villages, roads."""

from dataclasses import dataclass

import numpy as np
from rasterio.features import rasterize
from scipy.spatial import Delaunay

from dataProcessors.demo.covers import COVERS, DISTRICT_KINDS, INDEX, UNMAPPED, members
from dataProcessors.demo.noise import hash32, smooth_noise
from dataProcessors.demo.terrain import STEP, Terrain

CELL = 4  # pixels per cell of the plan
DISTRICT = 560  # pixels between district centres
PATCH = 92  # pixels between patch centres
VILLAGE_REACH = 230  # largest length of a road between two settlements, in pixels
CORES = {"suburb": 0.62, "mixed": 0.16, "lake": 0.10, "industry": 0.07, "quarry": 0.05}  # small objects in patches


@dataclass(frozen=True)
class Plan:
    """Land use in cells of CELL pixels.

    Attributes:
        cover: (n, n) uint8 cover index
        mapped: (n, n) uint8 cover index on a label map: some patches wrong, small objects missing, UNMAPPED gaps
        district: (n, n) uint8 or uint16 district number
        patch: (n, n) uint32, a hash of the patch
        angle, width: per district, orientation (radians) and width (pixels) of its field strips
        roads: (side, side) uint8, 1 on minor and 2 on major roads
    """

    cover: np.ndarray
    mapped: np.ndarray
    district: np.ndarray
    patch: np.ndarray
    angle: np.ndarray
    width: np.ndarray
    roads: np.ndarray


def make_plan(rng: np.random.Generator, terrain: Terrain, side: int) -> Plan:
    """Return the plan of a square of `side` pixels on its terrain."""
    districts, patches = _seeds(rng, side, DISTRICT, 0.34), _seeds(rng, side, PATCH, 0.4)
    character = _district_kinds(rng, districts, terrain, side)
    patches_x, patches_y = patches.reshape(-1, 2).T
    home, from_centre = _nearest(patches_x, patches_y, districts, DISTRICT)  # home: district of each patch
    cover, core, radius = _patch_covers(rng, character[home], from_centre)
    cells = side // CELL + 2
    bend = [smooth_noise(rng, cells, 190 / CELL, 4) * 26 for _ in range(2)]
    x = np.arange(cells, dtype=np.float32) * CELL
    y = x[:, None]
    patch, distance = _nearest((x + bend[0]).ravel(), (y + bend[1]).ravel(), patches, PATCH)
    in_core = distance < radius[patch] * (1 + 0.25 * smooth_noise(rng, cells, 40 / CELL, 2)).ravel()
    mapped, mapped_core = _mistakes(rng, cover, radius)
    shape = cells, cells
    return Plan(
        cover=np.where(in_core, core[patch], cover[patch]).reshape(shape),
        mapped=np.where(in_core & mapped_core[patch], core[patch], mapped[patch]).reshape(shape),
        district=home[patch].astype(np.uint16).reshape(shape),
        patch=hash32(patch.astype(np.int32)).reshape(shape),
        angle=rng.uniform(0, np.pi, len(character)).astype(np.float32),
        width=rng.uniform(18, 34, len(character)).astype(np.float32),
        roads=_roads(rng, patches.reshape(-1, 2), cover, core, radius, terrain, side),
    )


def _seeds(rng: np.random.Generator, side: int, spacing: float, jitter: float) -> np.ndarray:
    """Return (n, n, 2) seeds x, y of a jittered grid that reaches one spacing beyond the square on every side."""
    count = int(np.ceil(side / spacing)) + 2
    y, x = np.mgrid[:count, :count] - 0.5
    return (np.stack([x, y], 2) + rng.uniform(-jitter, jitter, (count, count, 2))).astype(np.float32) * spacing


def _nearest(x: np.ndarray, y: np.ndarray, seeds: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the flat index of the nearest seed of a jittered grid, and the distance to it, for points x, y (N,)."""
    count = len(seeds)
    column = np.clip(np.floor(x / spacing + 1).astype(np.int32), 1, count - 2)
    row = np.clip(np.floor(y / spacing + 1).astype(np.int32), 1, count - 2)
    flat = seeds.reshape(-1, 2)
    best = np.full(len(x), np.inf, np.float32)
    index = np.zeros(len(x), np.int32)
    for offset in (dy * count + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
        candidate = row * count + column + offset
        distance = (x - flat[candidate, 0]) ** 2 + (y - flat[candidate, 1]) ** 2
        closer = distance < best
        best[closer], index[closer] = distance[closer], candidate[closer]
    return index, np.sqrt(best)


def _at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the values of a terrain field at points (..., 2) in pixels."""
    nodes = np.clip(np.round(points / STEP).astype(int), 0, len(field) - 1)
    return field[nodes[..., 1], nodes[..., 0]]


def _district_kinds(rng: np.random.Generator, seeds: np.ndarray, terrain: Terrain, side: int) -> np.ndarray:
    """Return an index into DISTRICT_KINDS per district: each kind gets its share of the land, where it suits best."""
    points = seeds.reshape(-1, 2)
    height = _at(terrain.elevation, points)
    height = (height - height.mean()) / (height.std() + 1e-6)
    inside = ((points > 0) & (points < side)).all(1) & (_at(terrain.coast, points) > -100)
    shares = np.array([kind.share for kind in DISTRICT_KINDS.values()])
    shares /= shares.sum()
    chosen = rng.choice(len(shares), len(points), p=shares)  # random in the sea and outside
    free = np.flatnonzero(inside)
    for kind in np.argsort(shares):  # rarest first; the most frequent kind gets the rest
        quota = max(1, round(shares[kind] * inside.sum())) if kind != shares.argmax() else len(free)
        suits = -list(DISTRICT_KINDS.values())[kind].lowland * height[free] + rng.normal(0, 1.2, len(free))
        taken = np.argsort(-suits, kind="stable")[:quota]
        chosen[free[taken]] = kind
        free = np.delete(free, taken)
    return chosen


def _patch_covers(rng: np.random.Generator, character: np.ndarray, from_centre: np.ndarray) -> tuple:
    """Return per patch its cover, the cover of the small object at its centre, and that object's radius (0: none)."""
    shares = np.zeros((len(DISTRICT_KINDS), len(COVERS)))
    for row, kind in enumerate(DISTRICT_KINDS.values()):
        for name, share in kind.covers.items():
            shares[row, INDEX[name]] = share
    limits = np.cumsum(shares / shares.sum(1, keepdims=True), 1)
    cover = (rng.random(len(character))[:, None] > limits[character]).sum(1).clip(0, len(COVERS) - 1)
    town = members("centre", "suburb")[cover] & (character == list(DISTRICT_KINDS).index("city"))
    cover[town] = np.where(from_centre[town] < 190, INDEX["centre"], INDEX["suburb"])
    settled = np.array([c.villages for c in DISTRICT_KINDS.values()])[character]
    core = rng.choice([INDEX[name] for name in CORES], len(cover), p=list(CORES.values()))
    radius = np.where(rng.random(len(cover)) < settled * 1.6, rng.uniform(9, 30, len(cover)), 0)
    return cover.astype(np.uint8), core.astype(np.uint8), radius.astype(np.float32)


def _mistakes(rng: np.random.Generator, cover: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mapped cover of each patch (2 % wrong, 1.5 % UNMAPPED), and whether its small object is mapped."""
    draw = rng.random(len(cover))
    mapped = np.where(draw < 0.02, rng.permutation(cover), cover)
    mapped = np.where(draw > 0.985, UNMAPPED, mapped)
    return mapped.astype(np.uint8), (radius > 14) | (rng.random(len(cover)) < 0.5)


def _roads(
    rng: np.random.Generator, patches: np.ndarray, cover: np.ndarray, core: np.ndarray, radius: np.ndarray,
    terrain: Terrain, side: int,
) -> np.ndarray:  # fmt: skip
    """Return winding roads between neighbouring settlements without crossing sea or lakes; major ones between towns."""
    town = members("suburb", "centre", "industry", "construction")
    settled = town[cover] | (town[core] & (radius > 0))
    settled &= (_at(terrain.coast, patches) > 10) & (_at(terrain.lake, patches) < 0)
    points, large = patches[settled], (town[cover] | (radius > 24))[settled]
    if len(points) < 4:
        return np.zeros((side, side), np.uint8)
    triangles = Delaunay(points).simplices
    pairs = np.concatenate([triangles[:, sides] for sides in ([0, 1], [1, 2], [0, 2])])
    pairs = np.unique(np.sort(pairs), axis=0)
    pairs = pairs[np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T) < VILLAGE_REACH]
    bend = [smooth_noise(rng, side // STEP + 4, 240 / STEP, 3) * 12 for _ in range(2)]
    start, end = points[pairs].swapaxes(0, 1)[:, :, None]
    lines = start + np.linspace(0, 1, 24)[:, None] * (end - start)  # (pairs, 24, 2)
    dry = ((_at(terrain.coast, lines) > 4) & (_at(terrain.lake, lines) < 0)).all(1)
    lines = lines + np.stack([_at(field, lines) for field in bend], 2)
    major = large[pairs].all(1)
    kinds = [(lines[dry & ~major], 1), (lines[dry & major], 2)]
    shapes = [({"type": "LineString", "coordinates": line}, kind) for some, kind in kinds for line in some.tolist()]
    return rasterize(shapes, (side, side), dtype=np.uint8) if shapes else np.zeros((side, side), np.uint8)
