"""Where an image and a label map overlap, and a sample of the label map's values there."""

import numpy as np

from dataProcessors.labels.label_source import LabelSource
from dataProcessors.rasters.grid import EXTENT_POINTS, Window, apply_affine
from dataProcessors.rasters.opening import add_path_to_errors

SAMPLE_WINDOWS, SAMPLE_SIZE = 64, 64
WHOLE_PIXELS = 4_000_000  # a part in use of so many pixels is not sampled but read as a whole
RANDOM_POINTS = 40_000  # that are tested to find where image and label map overlap
POINTS_PER_PART = 256  # labelled points per part of a file in which labels are rare


def sample_labels(source: LabelSource, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return raw values (B, h, n) and validity (h, n) of small windows where the maps overlap, always the same.

    Of a small part in use all pixels are returned.
    """
    rng = np.random.default_rng(0)
    with add_path_to_errors(source.path):
        if window.width * window.height <= WHOLE_PIXELS and len(_overlapping_points(source, window, rng)):
            return source.read_raw(*window)
        values, valid = _sample_at(source, window, rng.permutation(_overlapping_points(source, window, rng)))
        if valid.any():
            return values, valid
        return _sample_at(source, window, rng.permutation(labelled_points(source, window, rng)))  # labels are rare


def _sample_at(source: LabelSource, window: Window, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return raw values (B, h, n) and validity (h, n) of windows around the first of the points (N, 2)."""
    height, width = min(SAMPLE_SIZE, window.height), min(SAMPLE_SIZE, window.width)
    corners = points[:SAMPLE_WINDOWS].astype(np.int64) - (width // 2, height // 2)
    last = np.array(window[:2]) + window[2:] - (width, height)
    corners = np.concatenate([np.clip(corners, window[:2], last), [window[:2]]])  # at least one
    pieces = [source.read_raw(x, y, width, height) for x, y in corners.tolist()]
    return np.concatenate([p[0] for p in pieces], 2), np.concatenate([p[1] for p in pieces], 1)


def _overlapping_points(source: LabelSource, window: Window, rng: np.random.Generator) -> np.ndarray:
    """Return points (n, 2) in pixels of the grid, in the window and on the label map; n is 0 if they do not overlap."""
    grid, native = source.grid, source.native_grid
    columns, rows = _random_points(window, rng)
    on_map = _inside(native.window, *native.pixels_of(grid.crs, *apply_affine(grid.transform, columns, rows)))
    if on_map.any():
        return np.stack([columns, rows], 1)[on_map]
    return _points_in_window(source, window, *_random_points(native.window, rng))  # a small label map


def _points_in_window(source: LabelSource, window: Window, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return those of the label map's points (its own columns and rows) in the window: (n, 2) in pixels of the grid."""
    native = source.native_grid
    columns, rows = source.grid.pixels_of(native.crs, *apply_affine(native.transform, columns, rows))
    return np.stack([columns, rows], 1)[_inside(window, columns, rows)]


def labelled_points(source: LabelSource, window: Window, rng: np.random.Generator) -> np.ndarray:
    """Return points (n, 2) in pixels of the grid, in the window, where the label map is labelled, by reading it."""
    found = [np.empty((0, 2))]
    for part in source.native_parts(covering_window(source, window)):
        rows, columns = np.nonzero(source.read_native(part)[1])
        points = _points_in_window(source, window, columns + part.x + 0.5, rows + part.y + 0.5)
        found.append(rng.permutation(points)[:POINTS_PER_PART])
    return np.concatenate(found)


def covering_window(source: LabelSource, window: Window) -> Window:
    """Return the window of the label map, in its own pixels, that covers a window of the grid with a small margin."""
    grid, native = source.grid, source.native_grid
    lattice = np.meshgrid(
        *(np.linspace(start, start + size, EXTENT_POINTS) for start, size in zip(window[:2], window[2:]))
    )
    points = np.stack(native.pixels_of(grid.crs, *apply_affine(grid.transform, *(each.ravel() for each in lattice))))
    if not np.isfinite(points).all():
        return native.window  # part of the window has no coordinates in the label map's CRS
    low, high = points.min(1), points.max(1)
    margin = 2 + (high - low) / EXTENT_POINTS  # edges are curves between the points of the lattice
    low, high = (np.clip(v, 0, (native.width, native.height)) for v in (np.floor(low - margin), np.ceil(high + margin)))
    return Window(*low.astype(int).tolist(), *(high - low).astype(int).tolist())


def _random_points(window: Window, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return window.x + window.width * rng.random(RANDOM_POINTS), window.y + window.height * rng.random(RANDOM_POINTS)


def _inside(window: Window, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    x, y, width, height = window
    return (columns >= x) & (columns < x + width) & (rows >= y) & (rows < y + height)


def has_other_longitudes(source: LabelSource, window: Window) -> bool:
    """Return whether more of the maps would overlap if one of them counted longitudes from -180, and not from 0."""
    native = source.native_grid
    if native.crs is None or source.grid.crs is None or not native.crs.is_geographic:
        return False
    columns, rows = _random_points(window, np.random.default_rng(0))
    columns, rows = native.pixels_of(source.grid.crs, *apply_affine(source.grid.transform, columns, rows))
    to_pixels = ~native.transform
    turn = np.array([to_pixels.a, to_pixels.d]) * 360  # columns and rows
    beside = ~_inside(native.window, columns, rows)
    return any((beside & _inside(native.window, columns + x, rows + y)).any() for x, y in (-turn, turn))
