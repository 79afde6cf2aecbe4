"""A label map as windows of the image's grid, as class indices or as the values of its file."""

import logging
from pathlib import Path

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.windows import Window as RasterWindow

from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.handles import Handles, about_parts, decimated_shape, is_synthetic
from dataProcessors.rasters.opening import MapError, reading

log = logging.getLogger(__name__)


class LabelSource:
    """A label map on the image's grid: windows (1, h, w) of class indices, uint8, NO_LABEL where there is none.

    Args:
        path: a GeoTIFF of any CRS, resolution and extent
        grid: the image map's grid
        decode: raw pixels (B, h, w), validity (h, w) -> class indices (h, w); set once the legend is known
    """

    dtype = np.dtype(np.uint8)
    fill = NO_LABEL

    def __init__(self, path: str | Path, grid: Grid, decode=None):
        self.path = str(path)
        self.grid = grid
        self.decode = decode
        self.bands = (1,)
        self.native = Handles(self.path).get()
        self.synthetic = is_synthetic(self.native)
        self.native_grid = Grid(self.native.crs, self.native.transform, self.native.width, self.native.height)
        native = self.native_grid
        self.read_as = {  # what decides how pixels are read
            "native": [str(native.crs), list(native.transform)], "nodata": self.native.nodatavals,
            "mask": str(self.native.mask_flag_enums), "parts": about_parts(self.native),
        }  # fmt: skip
        self._handles = Handles(self.path, None if _is_on_grid(self.path, self.native_grid, grid) else grid)
        self._handles.get()  # what cannot be brought onto the grid is found at once
        self.chunk = (2048, 2048)

    def read_raw(self, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Unresampled values (B, height, width) on the grid and where they exist (height, width) bool."""
        return self._read(Window(x, y, width, height), (height, width))

    def _read(self, window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        file, where = self._handles.get(), RasterWindow(*window)
        has_alpha = file.colorinterp[-1] == ColorInterp.alpha  # always so where the map is brought onto the grid
        with reading(self.path, window):
            values = file.read(window=where, out_shape=(file.count, *shape))
            valid = values[-1] if has_alpha else file.dataset_mask(window=where, out_shape=shape)
        return values[:-1] if has_alpha else values, valid > 0

    def read_window(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Class indices (1, height, width) of a window of the grid."""
        return self.decode(*self.read_raw(x, y, width, height))[None]

    def read_decimated(self, window: Window, step: int) -> np.ndarray:
        """Class indices (1, h / step, w / step), both rounded up, of about every step-th pixel along both axes."""
        return self.decode(*self._read(window, decimated_shape(window, step)))[None]


def _is_on_grid(path: str, native: Grid, grid: Grid) -> bool:
    """Whether a label map is read as it is: where a CRS is missing it must, so it needs the image's very pixels."""
    if native.crs is not None and grid.crs is not None:
        return False
    if not native.has_pixels_of(grid):
        raise MapError(
            f"{path}: image and label map can only be aligned where both name a CRS, or where both have the same size "
            f"and transform. The image has {grid.width} x {grid.height} pixels, the label map {native.width} x "
            f"{native.height}; their transforms are {list(grid.transform)[:6]} and {list(native.transform)[:6]}. "
            "Give the one without a CRS its own, for example with gdal_edit.py -a_srs."
        )
    silent = [name for name, each in (("the image", grid), ("the label map", native)) if each.crs is None]
    log.warning(
        "%s: no CRS is named by %s. The label map is taken to lie on the image's pixels, as size and transform say",
        path, " and ".join(silent),
    )  # fmt: skip
    return True
