"""Windows of one file on the grid of a map in many files: copied, or looked up by nearest neighbour.

The lookup is no GDAL warp: a file's own rules on which pixels hold data then count for exactly the pixels taken.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from dataProcessors.rasters.grid import Grid, Window, apply_affine
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.mosaic_grid import is_same_crs
from dataProcessors.rasters.nodata import valid_mask

LOOKUP_TOLERANCE = 1e-4  # pixels of the file, of the positions that are interpolated
LOOKUP_STEPS = (64, 16, 4)  # pixels from one exact position to the next, tried in this order
MAX_SIDE = 4096  # pixels of a file that are read at once to look up others


class PlacedImage(Protocol):
    """A file on the grid of a map.

    Attributes:
        window: pixels of the grid outside of which the file has none
    """

    window: Window

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Return the bands (C, h, w) of a window inside the file's, and where they hold data (h, w)."""


class CopiedImage:
    """A file whose pixels are pixels of the grid.

    Args:
        source: the file
        window: its place on the grid
    """

    def __init__(self, source: ImageSource, window: Window):
        self.source, self.window = source, window

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """See PlacedImage."""
        moved = window._replace(x=window.x - self.window.x, y=window.y - self.window.y)
        return _bands_and_mask(self.source, moved)


class LookedUpImage:
    """A file with another grid or CRS: each pixel of the map takes the file's pixel in which its centre lies.

    Args:
        source: the file
        window: the pixels of the grid between its edges
        grid: of the map
    """

    def __init__(self, source: ImageSource, window: Window, grid: Grid):
        self.source, self.grid = source, grid
        margin = 2 + max(window.width, window.height) // 1000  # the edges are known at some points only
        left, top = max(window.x - margin, 0), max(window.y - margin, 0)
        right = min(window.x + window.width + margin, grid.width)
        bottom = min(window.y + window.height + margin, grid.height)
        self.window = Window(left, top, right - left, bottom - top)
        native = source.grid
        self._crs = None if is_same_crs(grid.crs, native) else grid.crs  # None: the same as the file's
        ratio = max(native.width / window.width, native.height / window.height, 1)
        self._side = max(int(MAX_SIDE / ratio), 1)

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """See PlacedImage."""
        pixels = np.empty((len(self.source.bands), window.height, window.width), self.source.dtype)
        valid = np.empty(pixels.shape[1:], bool)
        for top in range(0, window.height, self._side):
            for left in range(0, window.width, self._side):
                there = slice(top, top + self._side), slice(left, left + self._side)
                height, width = valid[there].shape
                part = Window(window.x + left, window.y + top, width, height)
                pixels[:, *there], valid[there] = self._look_up(part)
        return pixels, valid

    def _look_up(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        columns, rows = interpolated(self._positions, window)
        native = self.source.grid
        with np.errstate(invalid="ignore"):  # where there are no coordinates
            inside = (columns >= 0) & (columns < native.width) & (rows >= 0) & (rows < native.height)
        if not inside.any():
            return np.full((len(self.source.bands), *inside.shape), self.source.padding, self.source.dtype), inside
        columns, rows = (np.floor(each[inside]).astype(np.int64) for each in (columns, rows))
        left, top = int(columns.min()), int(rows.min())
        box = Window(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
        bands, mask = _bands_and_mask(self.source, box)
        pixels, valid = np.zeros((len(bands), *inside.shape), bands.dtype), np.zeros(inside.shape, bool)
        pixels[:, inside] = bands[:, rows - top, columns - left]
        valid[inside] = mask[rows - top, columns - left]
        return pixels, valid

    def _positions(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return where points of the grid (N,), (N,) lie in the file: columns and rows (2, N)."""
        x, y = apply_affine(self.grid.transform, columns, rows)
        return np.array(self.source.grid.pixels_of(self._crs, x, y))


def _bands_and_mask(source: ImageSource, window: Window) -> tuple[np.ndarray, np.ndarray]:
    pixels = source.read_window(*window)
    return pixels[: len(source.bands)], valid_mask(pixels, source.has_validity)


def interpolated(exact: Callable[[np.ndarray, np.ndarray], np.ndarray], window: Window) -> np.ndarray:
    """Return what a smooth function gives for the centres of a window's pixels: (2, h, w).

    It is called for some points only and interpolated linearly between them, if that is exact to LOOKUP_TOLERANCE
    halfway between the points. Both ways are tested: where the function is conformal, the curvatures along rows and
    columns cancel each other in the middle of four points.

    Args:
        exact: columns (N,), rows (N,) -> (2, N); not finite where undefined
        window: of the grid
    """

    def at(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        x, y = np.meshgrid(window.x + 0.5 + columns, window.y + 0.5 + rows)
        return exact(x.ravel(), y.ravel()).reshape(2, *x.shape)

    for step in LOOKUP_STEPS:
        columns, rows = (np.arange(0, side + step - 1, step) for side in (window.width, window.height))
        columns, rows = (each if len(each) > 1 else np.array([0, step]) for each in (columns, rows))
        nodes = at(columns, rows)
        with np.errstate(invalid="ignore"):
            along = np.abs((nodes[:, :, 1:] + nodes[:, :, :-1]) / 2 - at(columns[:-1] + step / 2, rows)).max()
            down = np.abs((nodes[:, 1:] + nodes[:, :-1]) / 2 - at(columns, rows[:-1] + step / 2)).max()
            if along + down < LOOKUP_TOLERANCE:
                return _weights(rows, window.height, step) @ nodes @ _weights(columns, window.width, step).T
    return at(np.arange(window.width), np.arange(window.height))


def _weights(nodes: np.ndarray, number: int, step: int) -> np.ndarray:
    """Return the weights (number, nodes) of linear interpolation between nodes, `step` apart, at 0, 1, 2 ..."""
    return np.maximum(1 - np.abs(np.arange(number)[:, None] - nodes) / step, 0)
