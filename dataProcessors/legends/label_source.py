"""Windows of a label map on the image's grid, as class indices or as the values of its file."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.windows import Window as RasterWindow

from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.handles import Handles, auxiliary_files, decimated_shape, is_synthetic
from dataProcessors.rasters.opening import MapError, convert_read_errors

log = logging.getLogger(__name__)


class LabelSource:
    """A label map on the image's grid: windows (1, h, w) of class indices, uint8, NO_LABEL where unlabelled.

    Args:
        path: a GeoTIFF of any CRS, resolution and extent
        grid: the image map's grid
        decode: raw pixels (B, h, w), validity (h, w) -> class indices (h, w); set once the legend is known
    """

    dtype = np.dtype(np.uint8)
    padding = NO_LABEL
    channels, shown_bands, has_validity = 1, 1, False

    def __init__(
        self, path: str | Path, grid: Grid, decode: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    ):
        self.path = str(path)
        self.grid = grid
        self.decode = decode
        self.bands = (1,)
        self.description: dict[str, list] = {}
        self.without_data: dict[str, int] = {}
        self.native = Handles(self.path).get()
        self.synthetic = is_synthetic(self.native)
        self.native_grid = Grid(self.native.crs, self.native.transform, self.native.width, self.native.height)
        native = self.native_grid
        self.read_settings = {  # everything that determines the pixels that are read
            "native": [str(native.crs), list(native.transform)], "nodata": self.native.nodatavals,
            "mask": str(self.native.mask_flag_enums), "parts": auxiliary_files(self.native),
        }  # fmt: skip
        self._handles = Handles(self.path, None if _is_on_grid(self.path, self.native_grid, grid) else grid)
        self._handles.get()  # raises an error now if the map cannot be warped
        self.chunk = (2048, 2048)

    def read_raw(self, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Read values (B, height, width) on the grid, without interpolation, and their validity (height, width)."""
        return self._read(Window(x, y, width, height), (height, width))

    def _read(self, window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        file, where = self._handles.get(), RasterWindow(*window)
        has_alpha = file.colorinterp[-1] == ColorInterp.alpha  # always true for a warped map
        with convert_read_errors(self.path, window):
            values = file.read(window=where, out_shape=(file.count, *shape))
            valid = values[-1] if has_alpha else file.dataset_mask(window=where, out_shape=shape)
        return values[:-1] if has_alpha else values, valid > 0

    def read_window(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Read class indices (1, height, width) of a window of the grid."""
        assert self.decode is not None  # set as soon as the legend is known
        return self.decode(*self.read_raw(x, y, width, height))[None]

    def read_decimated(self, window: Window, step: int) -> np.ndarray:
        """Read class indices (1, h / step, w / step), both rounded up, of about every step-th pixel along both axes."""
        assert self.decode is not None  # set as soon as the legend is known
        return self.decode(*self._read(window, decimated_shape(window, step)))[None]


def _is_on_grid(path: str, native: Grid, grid: Grid) -> bool:
    """Return whether a map is read without warping: if a CRS is missing, it must have exactly the image's pixels."""
    if native.crs is not None and grid.crs is not None:
        return False
    if not native.has_same_pixels(grid):
        raise MapError(
            f"{path}: image and label map can be aligned only if both declare a CRS, or if both have the same size "
            f"and transform. The image has {grid.width} x {grid.height} pixels, the label map {native.width} x "
            f"{native.height}; their transforms are {list(grid.transform)[:6]} and {list(native.transform)[:6]}. "
            "Add the missing CRS to its file, for example with gdal_edit.py -a_srs."
        )
    without_crs = [name for name, each in (("the image", grid), ("the label map", native)) if each.crs is None]
    log.warning(
        "%s: no CRS is declared by %s. The label map is assumed to lie on the image's pixels, because "
        "size and transform are equal",
        path, " and ".join(without_crs),
    )  # fmt: skip
    return True
