"""Windows of a label map on the image's grid, as class indices or as the values of its file."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.windows import Window as RasterWindow

from dataProcessors.class_tables.class_names import vrt_of
from dataProcessors.labels.label_bands import LabelBands, LabelHandles, label_bands, plain_vrt
from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.handles import Handles, auxiliary_files, decimated_shape, is_synthetic
from dataProcessors.rasters.map_file import MapFiles, map_file
from dataProcessors.rasters.opening import MapError, convert_read_errors

log = logging.getLogger(__name__)
PART_PIXELS = 4_000_000  # that are decoded at once where a file is searched, or a row of its blocks if that is more


class LabelSource:
    """A label map on the image's grid: windows (1, h, w) of class indices, uint8, NO_LABEL where unlabelled.

    Args:
        path: a raster file of any CRS, resolution and extent
        grid: the image map's grid
        name: the user's name of the map
        band: the band of codes in a file of several, counted from 1
        decode: raw pixels (B, h, w), validity (h, w) -> class indices (h, w); set once the legend is known
    Raises:
        MapError: the file is missing or damaged, cannot be brought onto the grid, or holds no labels
    """

    dtype = np.dtype(np.uint8)
    padding = NO_LABEL
    channels, has_validity, shown_bands, overview_bands = 1, False, (0,), (0,)

    def __init__(
        self, path: str | Path, grid: Grid, name: str = "labels", band: int | None = None,
        decode: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ):  # fmt: skip
        self.path, self.name = str(path), name
        self.files = (self.path,)
        self.grid = grid
        self.decode = decode
        self.bands = (1,)
        self.description: dict[str, list] = {}
        self.without_data: dict[str, int] = {}
        self._file = map_file(self.path)
        self.map_files = MapFiles([self._file])
        self.native = self._file.read(Handles(self.path).get)
        self.synthetic = is_synthetic(self.native)
        self.vrt = vrt_of(self.native)
        self.labels: LabelBands = label_bands(self.path, name, self.native, self.vrt, band)
        self.native_grid = Grid(self.native.crs, self.native.transform, self.native.width, self.native.height)
        native = self.native_grid
        self.read_settings = {  # everything that determines the pixels that are read
            "native": [str(native.crs), list(native.transform)], "bands": self.labels,
            "parts": auxiliary_files(self.native),
        }  # fmt: skip
        self._plain_vrt = plain_vrt(self.path, self.native, self.vrt, self.labels)
        self.is_warped = not _is_on_grid(self.path, native, grid)
        self._plain = self._handles_on(None)
        self._handles = self._handles_on(grid if self.is_warped else None)
        self._file.read(self._handles.get)  # raises an error now if the map cannot be warped
        self.chunk = (2048, 2048)

    def _handles_on(self, grid: Grid | None) -> LabelHandles:
        return LabelHandles(self.path, self._plain_vrt, grid)

    def read_raw(self, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Read values (B, height, width) on the grid, without interpolation, and their validity (height, width)."""
        return self._read(self._handles, Window(x, y, width, height))

    def read_native(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Read values (B, h, w) of a window of the file in its own pixels, and their validity (h, w)."""
        return self._read(self._plain, window)

    def _read(self, handles: LabelHandles, window: Window) -> tuple[np.ndarray, np.ndarray]:
        number, where = len(self.labels.values), RasterWindow(*window)
        with convert_read_errors(self.path, window):  # always every pixel: thinned reads may use averaged overviews
            # (B + flags, h, w); those of a warped map end in an alpha
            pixels = self._file.read(lambda: handles.get().read(window=where))
        values, flags = pixels[:number], pixels[number:]
        return values, (flags != 0).all(0) & ~self.labels.without_data(values)

    def native_parts(self, window: Window) -> Iterator[Window]:
        """Yield parts of a window of the file in its own pixels, whole blocks where possible, one beside another."""
        rows, columns = self.native.block_shapes[self.labels.values[0] - 1]
        across = self.native.width if columns > 4096 else max(2048 // columns, 1) * columns
        down = max(PART_PIXELS // (across * rows), 1) * rows
        right, bottom = window.x + window.width, window.y + window.height
        for y in range(window.y // down * down, bottom, down):
            for x in range(window.x // across * across, right, across):
                left, top = max(x, window.x), max(y, window.y)
                yield Window(left, top, min(x + across, right) - left, min(y + down, bottom) - top)

    def read_window(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Read class indices (1, height, width) of a window of the grid."""
        return self._decoded(*self.read_raw(x, y, width, height))

    def read_counted(self, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, dict[str, int]]:
        """Read a window as `read_window` does; pixels without data are not counted."""
        return self.read_window(x, y, width, height), {}

    def read_decimated(self, window: Window, step: int) -> np.ndarray:
        """Read class indices (1, h / step, w / step), both rounded up, of every step-th pixel along both axes.

        Overviews are not used, so the whole file is decoded; a warp computes only the pixels that are returned.
        """
        height, width = decimated_shape(window, step)
        if self.is_warped:
            first = Affine.translation(window.x + 0.5, window.y + 0.5)  # the centres of the pixels that are taken
            transform = self.grid.transform @ first @ Affine.scale(step) @ Affine.translation(-0.5, -0.5)
            coarse = self._handles_on(Grid(self.grid.crs, transform, width, height))
            return self._decoded(*self._read(coarse, Window(0, 0, width, height)))
        lines = [Window(window.x, y, window.width, 1) for y in range(window.y, window.y + window.height, step)]
        return np.concatenate([self.read_window(*line)[:, :, ::step] for line in lines], 1)

    def _decoded(self, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        assert self.decode is not None  # set as soon as the legend is known
        return self.decode(values, valid)[None]


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
