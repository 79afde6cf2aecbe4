"""The terrain of the demo landscape: coast, hills, lakes, and the rivers that result from them."""

import heapq
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from dataProcessors.demo.noise import smooth_noise

STEP = 8  # pixels between two nodes of the terrain's fields
SEA_SHARE = 0.11
LAKE_SHARE = 0.035
SOURCE_CELLS = 90  # drained area, in cells of 160 m, at which a stream starts


@dataclass(frozen=True)
class Terrain:
    """Fields on nodes every STEP pixels, float32, and rivers.

    Attributes:
        coast: signed distance to the coast in pixels, negative in the sea
        lake: positive in lakes, about one per STEP pixels from the shore
        elevation: height above the sea in metres (hills only, 0 at sea)
        shade: illumination of the slopes, 1 on level ground
        tidal: positive where the coast is muddy, negative where it is sandy
        rivers: for each river, downstream: (points (n, 2) x, y in pixels, half widths (n,) in pixels)
    """

    coast: np.ndarray
    lake: np.ndarray
    elevation: np.ndarray
    shade: np.ndarray
    tidal: np.ndarray
    rivers: list[tuple[np.ndarray, np.ndarray]]


def make_terrain(rng: np.random.Generator, side: int) -> Terrain:
    """Return the terrain of a square of `side` pixels."""
    nodes = side // STEP + 4
    coast = _coast(rng, nodes)
    hills = smooth_noise(rng, nodes, 1400 / STEP, 6)
    inland = np.clip(coast / 1500, 0, 1)
    elevation = (inland * 60 + np.sqrt(inland) * 55 * (hills + 1.2)).astype(np.float32)
    hollow = smooth_noise(rng, nodes, 520 / STEP, 5) + 0.25 * smooth_noise(rng, nodes, 120 / STEP, 3)
    hollow = hollow - 0.004 * elevation - np.clip((60 - coast) / 20, 0, 5)
    lake = ((hollow - np.quantile(hollow, 1 - LAKE_SHARE)) * 9).astype(np.float32)
    rivers = _rivers(rng, np.where(lake > -0.5, elevation - 30, elevation)[::2, ::2], coast[::2, ::2], 2 * STEP)
    rise = np.gradient(ndimage.gaussian_filter(elevation, 0.8))
    shade = np.clip(1 + 0.022 * (rise[0] + rise[1]), 0.75, 1.25).astype(np.float32)  # the sun stands in the south-east
    tidal = smooth_noise(rng, nodes, 1100 / STEP, 2) + np.float32(0.35)
    return Terrain(coast, lake, elevation, shade, tidal, rivers)


def _coast(rng: np.random.Generator, nodes: int) -> np.ndarray:
    """Return the signed distance to a coast in the north-west, with bays and islands; the sea covers SEA_SHARE."""
    x = np.linspace(0, 1, nodes, dtype=np.float32)
    height = 2.2 * (x + 0.55 * x[:, None]) + 0.55 * smooth_noise(rng, nodes, 1800 / STEP, 7)
    land = height > np.quantile(height, SEA_SHARE)
    distance = ndimage.distance_transform_edt(land) - ndimage.distance_transform_edt(~land)
    return ndimage.gaussian_filter(distance * STEP, 1.0).astype(np.float32)


def _rivers(rng: np.random.Generator, ground: np.ndarray, coast: np.ndarray, step: int) -> list:
    """Return the courses of all streams over `ground`, in cells of `step` pixels: winding, wider downstream."""
    width = ground.shape[1]
    receiver, order = _drainage(ground + rng.random(ground.shape, np.float32), coast < 0)
    area = np.ones(len(receiver), np.float32)
    for cell in order[::-1]:
        if receiver[cell] >= 0:
            area[receiver[cell]] += area[cell]
    land = (coast > -2 * step).ravel()
    stream = (area > SOURCE_CELLS) & land
    fed = np.zeros(len(area), bool)
    fed[[receiver[c] for c in np.flatnonzero(stream) if receiver[c] >= 0]] = True
    bends = [smooth_noise(rng, width, 170 / step, 3) * 16 for _ in range(2)]
    courses, visited = [], np.zeros(len(area), bool)
    for source in sorted(np.flatnonzero(stream & ~fed), key=lambda c: (-area[c], c)):
        cells = _follow(int(source), receiver, visited, land)
        if len(cells) > 4:
            courses.append(_course(cells, area, width, step, bends))
    return courses


def _drainage(ground: np.ndarray, sea: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the cell each cell drains into (-1: out), and an order of the cells in which that cell comes first.

    Priority flood (Barnes et al. 2014, arXiv:1511.04463).
    """
    width = ground.shape[1]
    outlet = sea.copy()
    outlet[[0, -1]] = outlet[:, [0, -1]] = True
    levels, seen = ground.ravel().tolist(), outlet.ravel().tolist()
    receiver = [-1] * len(levels)
    heap = [(levels[c], c) for c in np.flatnonzero(outlet).tolist()]
    heapq.heapify(heap)
    around = (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1)
    inner = np.zeros(ground.shape, bool)
    inner[1:-1, 1:-1] = True
    is_inner: list[bool] = inner.ravel().tolist()
    order: list[int] = []
    while heap:
        level, cell = heapq.heappop(heap)
        order.append(cell)
        for offset in around:
            other = cell + offset
            if 0 <= other < len(levels) and not seen[other] and is_inner[other]:
                seen[other] = True
                receiver[other] = cell
                heapq.heappush(heap, (max(levels[other], level), other))
    return receiver, order


def _follow(cell: int, receiver: list[int], visited: np.ndarray, land: np.ndarray) -> list[int]:
    """Return the cells from a source down to the first one of another course, or out of the land."""
    cells = [cell]
    while not visited[cell] and receiver[cell] >= 0 and land[cell]:
        visited[cell] = True
        cell = receiver[cell]
        cells.append(cell)
    return cells


def _course(cells: list[int], area: np.ndarray, width: int, step: int, bends: list) -> tuple[np.ndarray, np.ndarray]:
    """Return points every 0.7 cells, smoothed and bent, and half widths that grow with the drained area."""
    y, x = np.divmod(np.asarray(cells), width)
    along = np.linspace(0, len(cells) - 1, round(len(cells) / 0.7))
    smooth = [np.interp(along, np.arange(len(cells)), _ease(c.astype(float))) for c in (x, y)]
    nearest = np.round(smooth[1]).astype(int), np.round(smooth[0]).astype(int)
    bent = [c * step + ndimage.gaussian_filter1d(b[nearest], 1.0, mode="nearest") for c, b in zip(smooth, bends)]
    half = np.clip(0.45 + 0.055 * np.sqrt(area[cells]), 0.6, 9)
    return np.stack(bent, 1), np.interp(along, np.arange(len(cells)), half)


def _ease(values: np.ndarray) -> np.ndarray:
    """Smooth values but keep both ends, so that tributaries still meet their river."""
    eased = ndimage.gaussian_filter1d(values, 2.2, mode="nearest")
    fade = np.minimum(np.arange(len(values)), np.arange(len(values))[::-1]) / 4
    return values + (eased - values) * np.clip(fade, 0, 1)


def river_margin(rivers: list, side: int) -> np.ndarray:
    """Return (side, side) int8: quarter pixels to the nearest river bank, negative on the water, at most 100."""
    margin = np.full((side, side), 100, np.int8)
    for points, half in rivers:
        for (x0, y0), (x1, y1), radius in zip(points[:-1], points[1:], half[1:]):
            reach = radius + 8
            left, right = int(max(min(x0, x1) - reach, 0)), int(min(max(x0, x1) + reach, side))
            top, bottom = int(max(min(y0, y1) - reach, 0)), int(min(max(y0, y1) + reach, side))
            if left >= right or top >= bottom:
                continue
            distance = _segment_distance(np.arange(left, right) - x0, np.arange(top, bottom) - y0, x1 - x0, y1 - y0)
            window = margin[top:bottom, left:right]
            np.minimum(window, np.clip((distance - radius) * 4, -100, 100).astype(np.int8), out=window)
    return margin


def _segment_distance(x: np.ndarray, y: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Return the (len(y), len(x)) distance to the segment from (0, 0) to (dx, dy)."""
    x, y = x.astype(np.float32)[None], y.astype(np.float32)[:, None]
    along = np.clip((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
    return np.hypot(x - along * dx, y - along * dy)
