"""Where an image and a label map overlap, and what the label map holds there."""

import numpy as np
from rasterio.windows import Window as Block
from rasterio.windows import intersect

from dataProcessors.legends.label_source import LabelSource
from dataProcessors.rasters.grid import LATTICE, Window
from dataProcessors.rasters.opening import naming_path, reading

SAMPLE_WINDOWS, SAMPLE_SIZE = 64, 64
PLACES = 40_000  # tried, to find where image and label map overlap
PLACES_PER_BLOCK = 64  # of a label map's file, where few of its pixels hold a label


def sample(source: LabelSource, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Raw values (B, h, n) and validity (h, n) of small windows where the maps overlap, the same every time."""
    rng = np.random.default_rng(0)
    with naming_path(source.path):
        values, valid = _sample_at(source, window, rng.permutation(_overlap(source, window, rng)))
        if valid.any():
            return values, valid
        return _sample_at(source, window, rng.permutation(labelled(source, window, rng)))  # labels are rare


def _sample_at(source: LabelSource, window: Window, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Raw values (B, h, n) and validity (h, n) of windows around the first of places (N, 2)."""
    height, width = min(SAMPLE_SIZE, window.height), min(SAMPLE_SIZE, window.width)
    corners = places[:SAMPLE_WINDOWS].astype(np.int64) - (width // 2, height // 2)
    last = np.array(window[:2]) + window[2:] - (width, height)
    corners = np.concatenate([np.clip(corners, window[:2], last), [window[:2]]])  # one at least
    pieces = [source.read_raw(x, y, width, height) for x, y in corners.tolist()]
    return np.concatenate([p[0] for p in pieces], 2), np.concatenate([p[1] for p in pieces], 1)


def _overlap(source: LabelSource, window: Window, rng: np.random.Generator) -> np.ndarray:
    """Places (n, 2) in pixels of the grid, in the window and on the label map: n is 0 where they do not overlap."""
    grid, native = source.grid, source.native_grid
    columns, rows = _anywhere(window, rng)
    on_map = _holds(native.window, *native.pixels_of(grid.crs, *(grid.transform @ (columns, rows))))
    if on_map.any():
        return np.stack([columns, rows], 1)[on_map]
    return _in_window(source, window, *_anywhere(native.window, rng))  # a label map too small to be hit


def _in_window(source: LabelSource, window: Window, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Those of the label map's places (its own columns and rows) in the window: (n, 2) in pixels of the grid."""
    native = source.native_grid
    columns, rows = source.grid.pixels_of(native.crs, *(native.transform @ (columns, rows)))
    return np.stack([columns, rows], 1)[_holds(window, columns, rows)]


def labelled(source: LabelSource, window: Window, rng: np.random.Generator) -> np.ndarray:
    """Places (n, 2) in pixels of the grid, in the window, where the label map has a label: by reading it there."""
    found, part = [np.empty((0, 2))], Block(*part_around(source, window))
    for block in (block.intersection(part) for _, block in source.native.block_windows(1) if intersect(block, part)):
        with reading(source.path, (block.col_off, block.row_off, block.width, block.height)):
            rows, columns = np.nonzero(source.native.dataset_mask(window=block))
        places = _in_window(source, window, columns + block.col_off + 0.5, rows + block.row_off + 0.5)
        found.append(rng.permutation(places)[:PLACES_PER_BLOCK])
    return np.concatenate(found)


def part_around(source: LabelSource, window: Window) -> Window:
    """The part of the label map, in its own pixels, that holds all it has in a window of the grid, and little more."""
    grid, native = source.grid, source.native_grid
    lattice = np.meshgrid(*(np.linspace(start, start + size, LATTICE) for start, size in zip(window[:2], window[2:])))
    places = np.stack(native.pixels_of(grid.crs, *(grid.transform @ tuple(each.ravel() for each in lattice))))
    if not np.isfinite(places).all():
        return native.window  # part of the window lies nowhere in the label map's CRS
    low, high = places.min(1), places.max(1)
    margin = 2 + (high - low) / LATTICE  # between the points of the lattice edges are curves
    low, high = (np.clip(v, 0, (native.width, native.height)) for v in (np.floor(low - margin), np.ceil(high + margin)))
    return Window(*low.astype(int).tolist(), *(high - low).astype(int).tolist())


def _anywhere(window: Window, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return window.x + window.width * rng.random(PLACES), window.y + window.height * rng.random(PLACES)


def _holds(window: Window, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    x, y, width, height = window
    return (columns >= x) & (columns < x + width) & (rows >= y) & (rows < y + height)
