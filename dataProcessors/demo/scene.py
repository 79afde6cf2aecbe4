"""The pixels of the demo landscape, in blocks that each depend only on their place."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from dataProcessors.demo.canvas import Pixels, cells
from dataProcessors.demo.covers import COVERS, CULTIVATED, INDEX, TALL, WATER
from dataProcessors.demo.noise import Sheets, hash32, spline_weights, uniform
from dataProcessors.demo.plan import CELL, make_plan
from dataProcessors.demo.seasons import SUMMER, Season
from dataProcessors.demo.terrain import STEP, make_terrain, river_margin

BLOCK = 448  # side of a block in pixels
HALO = 3  # pixels around a block whose shadows and point spread reach into it
OTHER_CROP = np.full(256, INDEX["arable"], np.uint8)
OTHER_CROP[INDEX["arable"]] = INDEX["pasture"]
MARGIN = 64  # pixels of landscape around the image, so that the label maps reach beyond it

ProgressCallback = Callable[[int, int], None]  # called with the blocks done and the number of blocks


@dataclass(frozen=True)
class Scene:
    """The image of the landscape and its covers.

    Attributes:
        image: (size, size, 3) uint8
        cover: (size + 2 MARGIN, size + 2 MARGIN) uint8, cover index
        mapped: the same for the label maps, UNMAPPED where nothing is mapped
    """

    image: np.ndarray
    cover: np.ndarray
    mapped: np.ndarray


class Landscape:
    """The data that all blocks are computed from; read-only."""

    def __init__(self, size: int, seed: int):
        rng = np.random.default_rng([seed, 2718])
        self.side = size + 2 * MARGIN
        self.sheets = Sheets(rng)
        self.terrain = make_terrain(rng, self.side)
        self.plan = make_plan(rng, self.terrain, self.side)
        self.river_margin = river_margin(self.terrain.rivers, self.side)


def make_scene(
    size: int, seed: int, progress: ProgressCallback | None = None, season: Season = SUMMER
) -> Scene:  # fmt: skip
    """Return a landscape whose image has `size` x `size` pixels; equal arguments give equal arrays.

    Args:
        progress: called with (blocks done, total blocks) after each block, or None
        season: in which the image is seen; covers do not depend on it
    """
    with threadpool_limits(1, "blas"):  # many small matrix products: more threads would only wait for each other
        return _make_scene(Landscape(size, seed), size, progress, season)


def _make_scene(landscape: Landscape, size: int, progress: ProgressCallback | None, season: Season) -> Scene:
    """Compute all blocks of the scene with two threads."""
    scene = Scene(np.zeros((size, size, 3), np.uint8), *np.zeros((2, landscape.side, landscape.side), np.uint8))
    corners = [(x, y) for y in range(0, landscape.side, BLOCK) for x in range(0, landscape.side, BLOCK)]
    with ThreadPoolExecutor(2) as pool:
        for done, _ in enumerate(pool.map(partial(_fill_block, landscape, scene, season), corners), 1):
            if progress:
                progress(done, len(corners))
    return scene


def _fill_block(landscape: Landscape, scene: Scene, season: Season, corner: tuple[int, int]) -> None:
    """Compute the block with this upper-left corner and put it into the scene."""
    left, top = corner
    right, bottom = min(left + BLOCK, landscape.side), min(top + BLOCK, landscape.side)
    block = Block(landscape, left - HALO, top - HALO, right - left + 2 * HALO, bottom - top + 2 * HALO)
    inner = slice(HALO, -HALO), slice(HALO, -HALO)
    scene.cover[top:bottom, left:right] = block.cover[inner]
    scene.mapped[top:bottom, left:right] = block.mapped[inner]
    limit = landscape.side - MARGIN
    rows = slice(max(top, MARGIN), min(bottom, limit))
    columns = slice(max(left, MARGIN), min(right, limit))
    if rows.start < rows.stop and columns.start < columns.stop:
        scene.image[_shifted(rows, MARGIN), _shifted(columns, MARGIN)] = block.image(season)[
            _shifted(rows, block.y0), _shifted(columns, block.x0)
        ]


def _shifted(part: slice, origin: int) -> slice:
    """Return the same slice relative to another origin."""
    return slice(part.start - origin, part.stop - origin)


class Block:
    """Covers and colours of a rectangle of the landscape whose upper-left pixel is (x0, y0)."""

    def __init__(self, landscape: Landscape, x0: int, y0: int, width: int, height: int):
        self.landscape, self.x0, self.y0, self.width, self.height = landscape, x0, y0, width, height
        self.x = np.arange(x0, x0 + width, dtype=np.float32)[None]
        self.y = np.arange(y0, y0 + height, dtype=np.float32)[:, None]
        plan = landscape.plan
        here = self._plan_cell(self.x + 5 * self.sheet("rough"), self.y + 5 * self.sheet("rough", 311))
        self.patch = plan.patch.ravel()[here]
        self._lay_out_parcels(plan.district.ravel()[here])
        there = self._plan_cell(*self.parcel_centre)
        draw = uniform(self.parcel, 1)
        swapped, mistaken = draw < 0.06, draw > 0.97
        self.coast = self.field(landscape.terrain.coast) + 3 * self.sheet("w64") + 1.5 * self.sheet("rough", 97)
        self.cover = _merge(plan.cover.ravel(), here, there, swapped)
        self.mapped = _merge(plan.mapped.ravel(), here, there, swapped | mistaken)
        self._flood()

    def sheet(self, name: str, shift: int = 0) -> np.ndarray:
        """Return a texture sheet over the block, (height, width); another shift gives another part of the sheet."""
        return self.landscape.sheets.window(name, self.x0 + shift, self.y0 + 3 * shift, self.width, self.height)

    def field(self, field: np.ndarray) -> np.ndarray:
        """Return a terrain field over the block, (height, width)."""
        rows = slice(max(self.y0 // STEP - 1, 0), (self.y0 + self.height) // STEP + 4)
        columns = slice(max(self.x0 // STEP - 1, 0), (self.x0 + self.width) // STEP + 4)
        part = field[rows, columns]
        down = spline_weights(self.y.ravel() / STEP - rows.start, part.shape[0])
        across = spline_weights(self.x.ravel() / STEP - columns.start, part.shape[1])
        return down @ part @ across.T

    def _plan_cell(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the flat index of the plan's cell at x, y (pixels)."""
        side = np.int32(len(self.landscape.plan.cover))
        row = np.clip((y * np.float32(1 / CELL)).astype(np.int32), 0, side - 1)
        column = np.clip((x * np.float32(1 / CELL)).astype(np.int32), 0, side - 1)
        return row * side + column

    def _lay_out_parcels(self, district: np.ndarray) -> None:
        """Set coordinates along (u) and across (v) the field strips, and each pixel's parcel, its centre and border.

        A strip is cut into lengths, and a length into one to four parcels side by side.
        """
        plan = self.landscape.plan
        cos, sin, width = np.cos(plan.angle)[district], np.sin(plan.angle)[district], plan.width[district]
        length = 1.9 * width
        x, y = self.x + 2.5 * self.sheet("w128"), self.y + 2.5 * self.sheet("w128", 517)
        self.u, self.v = x * cos + y * sin, y * cos - x * sin
        piece = cells(self.u, self.v, length, width, district)
        narrow = width / (1 + (piece.hash & np.uint32(3)).astype(np.float32))
        part = np.floor(piece.across / narrow)
        across = piece.across - part * narrow
        self.parcel = hash32(piece.hash, part)
        self.border = np.minimum(np.minimum(piece.along, length - piece.along), np.minimum(across, narrow - across))
        du, dv = length / 2 - piece.along, narrow / 2 - across
        self.parcel_centre = self.x + du * cos - dv * sin, self.y + du * sin + dv * cos

    def _landscape_part(self, whole: np.ndarray) -> np.ndarray:
        """Return the block's part of a (side, side) array; pixels beyond its borders repeat the border."""
        last = self.landscape.side - 1
        return whole[np.clip(self.y.astype(np.int32), 0, last), np.clip(self.x.astype(np.int32), 0, last)]

    def _flood(self) -> None:
        """Set rivers, lakes, the sea and its shore in the covers; rivers are mapped a pixel narrower on each side."""
        terrain, coast = self.landscape.terrain, self.coast
        river = self._landscape_part(self.landscape.river_margin)
        lake = self.field(terrain.lake)
        tidal = self.field(terrain.tidal) + 0.1 * self.sheet("rough", 150) + 0.04 * self.sheet("w32", 30) > 0
        reach = coast + 14 * self.sheet("w128", 41) + 5 * self.sheet("w32", 5)  # shore belts of uneven width
        shore = (
            ("lake", lake + 0.25 * self.sheet("w32", 70) > 0),
            ("dune", ~tidal & (reach < 50) & (coast < 60)),
            ("salt marsh", tidal & (reach < 85)),
            ("beach", ~tidal & (coast < 7)),
            ("tidal flat", coast < 0),
            ("sea", (coast < 0) & (~tidal | (reach < -150) | (river < -8))),
        )
        np.copyto(self.cover, INDEX["marsh"], where=(lake > -0.9) & CULTIVATED[self.cover])
        for cover, bank in ((self.cover, 0), (self.mapped, -4)):
            water = river < bank
            for name, where in (("river", water), ("estuary", water & (coast < 140)), *shore):
                np.copyto(cover, INDEX[name], where=where)

    def image(self, season: Season = SUMMER) -> np.ndarray:
        """Return (height, width, 3) uint8 colours: covers, roads, shadows, light, haze, point spread, sensor noise."""
        colour: np.ndarray = np.zeros((self.height * self.width, 3), np.float32)
        present = np.bincount(self.cover.ravel(), minlength=len(COVERS))
        for index, name in enumerate(COVERS):
            if present[index]:
                at = np.flatnonzero(self.cover.ravel() == index)
                colour[at] = season.painters[name](Pixels(self, at))
        colour = colour.reshape(self.height, self.width, 3)
        self._draw_roads(colour)
        land = ~WATER[self.cover]
        slopes = season.light(self.field(self.landscape.terrain.shade))
        light = np.where(land, slopes * (0.86 + 0.28 * uniform(self.patch, 7)), 1)
        tall = TALL[self.cover].astype(np.float32)
        shadow = np.zeros_like(tall)
        shadow[:-1, :-1] = np.clip(tall[1:, 1:] - tall[:-1, :-1], 0, 1) * season.shadow
        colour *= (light * (1 - shadow))[..., None] * np.array(season.gains, np.float32)
        colour = _spread(colour)
        for band, haze in enumerate(season.haze):
            noise = 1.6 * self.sheet("white", 131 * band + 7 + season.noise)
            colour[..., band] += haze + 0.2 * haze * self.sheet("w128", 600 + season.noise) + noise
        return np.clip(colour, 0, 255).astype(np.uint8)

    def _draw_roads(self, colour: np.ndarray) -> None:
        """Draw roads on the land's colours, in place, with bridges over rivers but not over other water."""
        road = self._landscape_part(self.landscape.plan.roads)
        open_water = WATER[self.cover] & (self.cover != INDEX["river"])
        for kind, weight, tone in ((1, 0.6, (136, 130, 118)), (2, 0.95, (150, 146, 140))):
            where = (road == kind) & ~open_water
            colour[where] += weight * (np.array(tone, np.float32) - colour[where])


def _merge(plan: np.ndarray, here: np.ndarray, there: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """Return covers from the plan: whole parcels where a pixel and its parcel's centre are cultivated, else the plan's.

    Args:
        here, there: plan cell of each pixel and of its parcel's centre
        swapped: cultivated parcels whose use differs from the land around them
    """
    cover, parcel = plan[here], plan[there]
    farmed = CULTIVATED[cover]
    np.copyto(cover, parcel, where=farmed & CULTIVATED[parcel])
    np.copyto(cover, OTHER_CROP[cover], where=farmed & swapped)
    return cover


def _spread(colour: np.ndarray) -> np.ndarray:
    """Apply the sensor's point spread: blur (height, width, bands) slightly along both axes."""
    for _ in range(2):
        spread = np.float32(0.56) * colour
        spread[1:-1] += np.float32(0.22) * (colour[2:] + colour[:-2])
        colour = spread.swapaxes(0, 1)
    return colour
