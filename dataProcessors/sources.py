"""GeoTIFFs as windows of the grid: an image in its own values, a label map as class indices.

Both read any window from any thread (each thread opens its own handle, since a handle must not be shared), so that they
serve the preparation of a map and reading without it alike.
"""

import logging
import threading
from pathlib import Path

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterWindow

from dataProcessors.grid import Grid, Window
from dataProcessors.labels import NO_LABEL
from dataProcessors.rasters import FAILURES, MapError, open_raster, reading, reason

log = logging.getLogger(__name__)
IMAGE_TYPES = ("uint8", "int16", "uint16", "float32")
MOST_BANDS = 20
STRIPES_BYTES = 64_000_000  # of a map in stripes that are decoded at once, unless 128 lines are more
WARP_TOLERANCE = 0.001  # pixels of the label map; GDAL's own 0.125 gives 2 % of the pixels a neighbour's class


def is_synthetic(file) -> bool:
    """Whether a map says of itself that it shows no real place, as the demo map does."""
    return file.tags().get("SYNTHETIC") == "YES"


class ImageSource:
    """The image map: windows (C, h, w) in the file's own type.

    A pixel without data holds `fill` in all bands: the declared nodata value, or what `nodata` says, or 0 where a mask
    or an alpha band marks it; NaN in float images (also for infinite values). `fill` is None where every pixel has
    data.

    Args:
        path: a GeoTIFF with 1 to 20 bands of uint8, int16, uint16 or float32, or the URL of one
        bands: bands to read, counted from 1; None: all but alpha, which then marks where data is
        nodata: value that stands for no data, where the file does not declare it
    """

    def __init__(self, path: str | Path, bands: tuple[int, ...] | None = None, nodata: float | None = None):
        self.path = str(path)  # no Path, which would make https:/ of https://
        self._handles = _Handles(self.path)
        file = self._handles.get()
        self.grid = Grid(file.crs, file.transform, file.width, file.height)
        self.bands = _choose_bands(self.path, file, bands)
        self.dtype = _common_dtype(self.path, file, self.bands)
        self.chunk = _chunk_shape(file, len(self.bands) * self.dtype.itemsize)
        self.synthetic = is_synthetic(file)
        self.nodata = _held(self.path, nodata, self.dtype) if nodata is not None else file.nodata
        self.masked = _is_masked(file, self.bands)
        self.fill = self._fill()
        self.read_as = {  # what decides how pixels are read
            "bands": self.bands, "nodata": self.nodata, "fill": self.fill, "masked": self.masked,
            "parts": _about_parts(file),
        }  # fmt: skip

    def _fill(self):
        if self.dtype.kind == "f":
            return float("nan")
        if self.nodata is not None and _can_hold(self.dtype, self.nodata):
            return int(self.nodata)
        return 0 if self.masked else None

    def read_window(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Pixels (C, height, width) of a window that lies inside the image."""
        return self._read(Window(x, y, width, height), (height, width))

    def read_thinned(self, window: Window, step: int) -> np.ndarray:
        """About every step-th pixel of a window along both axes: (C, h / step, w / step), both rounded up."""
        return self._read(window, _thinned_shape(window, step))

    def _read(self, window: Window, shape: tuple[int, int]) -> np.ndarray:
        file, where = self._handles.get(), RasterWindow(*window)
        with reading(self.path, window):
            pixels = file.read(self.bands, window=where, out_shape=(len(self.bands), *shape))  # (C, h, w)
            mask = file.dataset_mask(window=where, out_shape=shape) == 0 if self.masked else None
        if self.dtype.kind == "f":
            pixels[~np.isfinite(pixels)] = np.nan
            if self.nodata is not None:
                pixels[pixels == np.float32(self.nodata)] = np.nan
        if mask is not None:
            pixels[:, mask] = self.fill
        return pixels


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
        self.native = _Handles(self.path).get()
        self.synthetic = is_synthetic(self.native)
        self.native_grid = Grid(self.native.crs, self.native.transform, self.native.width, self.native.height)
        native = self.native_grid
        self.read_as = {  # what decides how pixels are read
            "native": [str(native.crs), list(native.transform)], "nodata": self.native.nodatavals,
            "mask": str(self.native.mask_flag_enums), "parts": _about_parts(self.native),
        }  # fmt: skip
        self._handles = _Handles(self.path, None if _is_on_grid(self.path, self.native_grid, grid) else grid)
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

    def read_thinned(self, window: Window, step: int) -> np.ndarray:
        """Class indices (1, h / step, w / step), both rounded up, of about every step-th pixel along both axes."""
        return self.decode(*self._read(window, _thinned_shape(window, step)))[None]


def _thinned_shape(window: Window, step: int) -> tuple[int, int]:
    return -(-window.height // step), -(-window.width // step)


class _Handles(threading.local):
    """One open file per thread; warped onto a grid if one is given, by nearest neighbour, with a band of validity."""

    def __init__(self, path: str, grid: Grid | None = None):
        self.path, self.grid, self.file = path, grid, None

    def get(self):
        if self.file is None:
            self.file = open_raster(self.path)
            if self.grid is not None:
                self.file = _onto_grid(self.path, self.file, self.grid)
        return self.file


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


def _onto_grid(path: str, file, grid: Grid):
    has_alpha = ColorInterp.alpha in file.colorinterp
    try:
        return WarpedVRT(
            file, crs=grid.crs, transform=grid.transform, width=grid.width, height=grid.height,
            resampling=Resampling.nearest, add_alpha=not has_alpha, tolerance=WARP_TOLERANCE,
        )  # fmt: skip
    except FAILURES as error:
        raise MapError(
            f"{path}: cannot be brought from its CRS into the image's: {reason(error)}. Give image or label map "
            "another CRS, for example with gdalwarp."
        ) from None


def _choose_bands(path: str, file, bands) -> tuple[int, ...]:
    if bands is None:
        alpha = _alpha_bands(file)
        bands = tuple(band for band in file.indexes if band not in alpha)
        if alpha:  # many programs call the fourth of four bands alpha, near infrared too
            log.warning(
                "%s: band %d marks where data is, as alpha. If it is data, name it in 'maps.bands'", path, alpha[0]
            )
    missing = [band for band in bands if band not in file.indexes]
    if missing:
        raise MapError(f"{path}: 'maps.bands' asks for band {missing[0]}; the file has bands 1 to {file.count}.")
    if not 1 <= len(bands) <= MOST_BANDS:
        raise MapError(f"{path}: 1 to {MOST_BANDS} bands can be used, got {len(bands)}. Choose some with 'maps.bands'.")
    return tuple(bands)


def _alpha_bands(file) -> list[int]:
    return [band for band, meaning in zip(file.indexes, file.colorinterp) if meaning == ColorInterp.alpha]


def _is_masked(file, bands: tuple[int, ...]) -> bool:
    """Whether a mask, or an alpha band that is not read as data, says where the file has data."""
    marks = {MaskFlags.per_dataset, MaskFlags.alpha}
    return not set(_alpha_bands(file)) & set(bands) and any(marks & set(flags) for flags in file.mask_flag_enums)


def _common_dtype(path: str, file, bands: tuple[int, ...]) -> np.dtype:
    types = {file.dtypes[band - 1] for band in bands}
    if len(types) > 1 or not types <= set(IMAGE_TYPES):
        raise MapError(f"{path}: bands must be one of {', '.join(IMAGE_TYPES)}. Got {', '.join(sorted(types))}.")
    return np.dtype(types.pop())


def _can_hold(dtype: np.dtype, value: float) -> bool:
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max


def _held(path: str, nodata: float, dtype: np.dtype) -> float:
    """The value the user gave for no data, if pixels can have it."""
    if dtype.kind != "f" and not _can_hold(dtype, nodata):
        raise MapError(f"{path}: 'maps.nodata' is {nodata:g}, but the pixels are {dtype} and can never be that.")
    return nodata


def _about_parts(file) -> list[tuple[str, int, int]]:
    """Name, size and time of the files beside a map that hold pixels of it: its mask, or what a mosaic is made of."""
    others = [Path(name) for name in file.files[1:] if not name.endswith((".aux.xml", ".ovr"))]
    return [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in others if path.exists()]


def _chunk_shape(file, pixel_bytes: int) -> tuple[int, int]:
    """Height and width to decode at once: whole blocks of the file, since a block is decoded as a whole."""
    rows, columns = file.block_shapes[0]
    if columns <= 4096:
        return max(512 // rows, 1) * rows, max(512 // columns, 1) * columns
    lines = STRIPES_BYTES // (pixel_bytes * file.width)  # of a map in stripes, which may be very wide
    return min(max(lines // 128, 1) * 128, 512), file.width
