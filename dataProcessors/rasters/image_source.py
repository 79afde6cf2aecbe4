"""Windows of the image map on its own grid, in its own pixel values.

Any thread may read any window, so preparing a map and reading without preparation use the same code.
"""

import logging
from pathlib import Path

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.handles import Handles, auxiliary_files, decimated_shape, is_synthetic
from dataProcessors.rasters.opening import MapError, convert_read_errors

log = logging.getLogger(__name__)
IMAGE_TYPES = ("uint8", "int16", "uint16", "float32")
MAX_BANDS = 20
STRIPES_BYTES = 64_000_000  # of a striped file to decode at once, or 128 lines if they are more


class ImageSource:
    """The image map: windows (C, h, w) in the file's own dtype.

    A nodata pixel holds `fill` in all bands: the declared nodata value or that of the argument `nodata`, or 0 where a
    mask or an alpha band marks nodata; NaN in float images (also for infinite values). `fill` is None if every pixel
    has data.

    Args:
        path: a GeoTIFF with 1 to 20 bands of uint8, int16, uint16 or float32, or the URL of one
        bands: bands to read, counted from 1; None: all but alpha, which then marks nodata
        nodata: the nodata value, if the file does not declare it
    """

    def __init__(self, path: str | Path, bands: tuple[int, ...] | None = None, nodata: float | None = None):
        self.path = str(path)  # not a Path, which would turn https:// into https:/
        self._handles = Handles(self.path)
        file = self._handles.get()
        self.grid = Grid(file.crs, file.transform, file.width, file.height)
        self.bands = _choose_bands(self.path, file, bands)
        self.dtype = _common_dtype(self.path, file, self.bands)
        self.chunk = _chunk_shape(file, len(self.bands) * self.dtype.itemsize)
        self.synthetic = is_synthetic(file)
        self.nodata = _check_nodata(self.path, nodata, self.dtype) if nodata is not None else file.nodata
        self.masked = _is_masked(file, self.bands)
        self.fill = self._fill()
        self.read_settings = {  # everything that determines the pixels that are read
            "bands": self.bands, "nodata": self.nodata, "fill": self.fill, "masked": self.masked,
            "parts": auxiliary_files(file),
        }  # fmt: skip

    def _fill(self) -> float | None:
        if self.dtype.kind == "f":
            return float("nan")
        if self.nodata is not None and _can_hold(self.dtype, self.nodata):
            return int(self.nodata)
        return 0 if self.masked else None

    def read_window(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Read the pixels (C, height, width) of a window that lies inside the image."""
        return self._read(Window(x, y, width, height), (height, width))

    def read_decimated(self, window: Window, step: int) -> np.ndarray:
        """Read about every step-th pixel of a window along both axes: (C, h / step, w / step), both rounded up."""
        return self._read(window, decimated_shape(window, step))

    def _read(self, window: Window, shape: tuple[int, int]) -> np.ndarray:
        file, where = self._handles.get(), RasterWindow(*window)
        with convert_read_errors(self.path, window):
            pixels = file.read(self.bands, window=where, out_shape=(len(self.bands), *shape))  # (C, h, w)
            mask = file.dataset_mask(window=where, out_shape=shape) == 0 if self.masked else None
        if self.dtype.kind == "f":
            pixels[~np.isfinite(pixels)] = np.nan
            if self.nodata is not None:
                pixels[pixels == np.float32(self.nodata)] = np.nan
        if mask is not None:
            pixels[:, mask] = self.fill
        return pixels


def _choose_bands(path: str, file: DatasetReader, bands: tuple[int, ...] | None) -> tuple[int, ...]:
    if bands is None:
        alpha = _alpha_bands(file)
        bands = tuple(band for band in file.indexes if band not in alpha)
        if alpha:  # many programs declare the fourth of four bands as alpha, even near infrared
            log.warning(
                "%s: band %d is read as alpha: it marks nodata. If it is data, add it to 'maps.bands'", path, alpha[0]
            )
    missing = [band for band in bands if band not in file.indexes]
    if missing:
        raise MapError(f"{path}: 'maps.bands' has band {missing[0]}, but the file has bands 1 to {file.count}.")
    if not 1 <= len(bands) <= MAX_BANDS:
        raise MapError(f"{path}: use 1 to {MAX_BANDS} bands. Got {len(bands)}. Choose some with 'maps.bands'.")
    return tuple(bands)


def _alpha_bands(file: DatasetReader) -> list[int]:
    return [band for band, meaning in zip(file.indexes, file.colorinterp) if meaning == ColorInterp.alpha]


def _is_masked(file: DatasetReader, bands: tuple[int, ...]) -> bool:
    """Return whether a mask, or an alpha band that is not read as data, marks nodata."""
    marks = {MaskFlags.per_dataset, MaskFlags.alpha}
    return not set(_alpha_bands(file)) & set(bands) and any(marks & set(flags) for flags in file.mask_flag_enums)


def _common_dtype(path: str, file: DatasetReader, bands: tuple[int, ...]) -> np.dtype:
    types = {file.dtypes[band - 1] for band in bands}
    if len(types) > 1 or not types <= set(IMAGE_TYPES):
        raise MapError(f"{path}: bands must be one of {', '.join(IMAGE_TYPES)}. Got {', '.join(sorted(types))}.")
    return np.dtype(types.pop())


def _can_hold(dtype: np.dtype, value: float) -> bool:
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max


def _check_nodata(path: str, nodata: float, dtype: np.dtype) -> float:
    """Return the nodata value that the user set; raise a MapError if no pixel can have it."""
    if dtype.kind != "f" and not _can_hold(dtype, nodata):
        raise MapError(f"{path}: 'maps.nodata' is {nodata:g}, but pixels of type {dtype} cannot have this value.")
    return nodata


def _chunk_shape(file: DatasetReader, pixel_bytes: int) -> tuple[int, int]:
    """Return height and width to decode at once: whole blocks of the file, since GDAL decodes whole blocks."""
    rows, columns = file.block_shapes[0]
    if columns <= 4096:
        return max(512 // rows, 1) * rows, max(512 // columns, 1) * columns
    lines = STRIPES_BYTES // (pixel_bytes * file.width)  # of a striped file, which may be very wide
    return min(max(lines // 128, 1) * 128, 512), file.width
