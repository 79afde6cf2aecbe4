"""Windows of the image map on its own grid, in its own pixel values, with a mark where they hold data.

Any thread may read any window, so preparing a map and reading without preparation use the same code.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from dataProcessors.rasters.bands import choose_bands, describe_bands, meaning
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.handles import FileHandles, Handles, auxiliary_files, decimated_shape, is_synthetic
from dataProcessors.rasters.map_file import MapFiles, map_file
from dataProcessors.rasters.nodata import MaskBands, nodata_rules
from dataProcessors.rasters.opening import convert_read_errors
from dataProcessors.rasters.shown_bands import SHOWN_BANDS, choose_shown, in_overview

log = logging.getLogger(__name__)
CHUNK_SIDE = 512  # pixels to decode at once along both axes, if the file's blocks are not larger
CHUNK_BYTES = 64_000_000  # to decode at once, or one row of blocks, or 128 lines of a striped file


class ImageSource:
    """The image map: windows (channels, h, w) in `dtype`.

    The channels are the C bands and, if `has_validity`, a last one that is 1 where a pixel holds data and 0 elsewhere.
    Pixels without data hold 0 in all bands; in float images NaN, which marks them, and needs no further channel.

    Args:
        path: a GeoTIFF, or the URL of one; uint8, int8, int16, uint16 and float32 are kept, other types become float32
        bands: bands to read, counted from 1 or by name; None: all but alpha, which then marks nodata
        nodata: a value that means "no data", in addition to what the file declares
        handles: path -> handles of the file
    Attributes:
        files: the path
        meaning: what the pixels of all files of one map must share; see `bands.meaning`
        shown_bands, overview_bands: indices of the bands that pictures show and that an overview holds; see
            rasters.shown_bands
    """

    def __init__(
        self, path: str | Path, bands: Sequence[int | str] | None = None, nodata: float | None = None,
        handles: Callable[[str], FileHandles] = Handles,
    ):  # fmt: skip
        self.path = str(path)  # not a Path, which would turn https:// into https:/
        self.files = (self.path,)
        self._file = map_file(self.path)
        self.map_files = MapFiles([self._file])
        self._handles = handles(self.path)
        file = self._file.read(self._handles.get)
        self.grid = Grid(file.crs, file.transform, file.width, file.height)
        self.synthetic = is_synthetic(file)
        self._bands = choose_bands(self.path, file, bands)
        self.dtype = self._bands.dtype
        self.bands = self._bands.numbers if self._bands.palette is None else (1, 2, 3)
        self.nodata = nodata_rules(self.path, file, self._bands, nodata)
        self.shown_bands, shown_because = self._choose_shown(file, is_free=bands is None)
        self.overview_bands = in_overview(self.shown_bands, len(self.bands))
        self.description: dict[str, Any] = describe_bands(self.path, file, self._bands) | {  # for people
            "nodata": [rule.as_dict() for rule in self.nodata] if self._bands.palette is None else [],
            "shown_because": shown_because,
        }
        self.meaning = meaning(file, self._bands)
        self._masks = MaskBands.of(file, self._bands)
        self.has_validity = self.dtype.kind != "f" and self._marks_pixels()
        self.channels = len(self.bands) + self.has_validity
        self.padding = np.nan if self.dtype.kind == "f" else 0
        self.chunk = _chunk_shape(file, self.channels * self.dtype.itemsize)
        self.without_data: Counter[str] = Counter()
        self._counting = threading.Lock()
        self.parts = auxiliary_files(file)
        self.read_settings = {  # everything that determines the pixels that are read
            "bands": self._bands.numbers, "nodata": self.nodata, "masks": self._masks, "type": self.dtype.name,
            "palette": None if self._bands.palette is None else self._bands.palette.tolist(),
            "parts": self.parts,
        }  # fmt: skip
        if len(self.overview_bands) > SHOWN_BANDS:
            self.read_settings["overview"] = self.overview_bands

    def _choose_shown(self, file: DatasetReader, is_free: bool) -> tuple[tuple[int, ...], str]:
        numbers = self._bands.numbers
        is_free = is_free and self._bands.palette is None and len(numbers) >= SHOWN_BANDS
        names = self._bands.names if is_free else [""] * len(self.bands)
        return choose_shown(names, [file.colorinterp[number - 1] for number in numbers] if is_free else [])

    def _marks_pixels(self) -> bool:
        return bool(self._masks or self.nodata) or self._has_codes_without_colour()

    def _has_codes_without_colour(self) -> bool:
        palette = self._bands.palette
        if palette is None:
            return False
        limits = np.iinfo(self._bands.types[0])
        return limits.min < 0 or len(palette) <= limits.max or bool((palette[:, 3] == 0).any())

    def read_window(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Read the pixels (channels, height, width) of a window that lies inside the image.

        The pixels without data of all windows are added up in `without_data`, by who says so.
        """
        pixels, without_data = self.read_counted(x, y, width, height)
        with self._counting:
            self.without_data.update(without_data)
        return pixels

    def read_counted(self, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, dict[str, int]]:
        """Read a window as `read_window` does; return it, and its pixels without data by who says so, not added up."""
        return self._read(Window(x, y, width, height), (height, width))

    def read_decimated(self, window: Window, step: int) -> np.ndarray:
        """Read about every step-th pixel of a window along both axes: (channels, h / step, w / step), rounded up."""
        pixels, without_data = self._read(window, decimated_shape(window, step))
        with self._counting:
            self.without_data.update(without_data)
        return pixels

    def _read(self, window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, dict[str, int]]:
        where = RasterWindow(*window)
        pixels = np.empty((self.channels, *shape), self.dtype)

        def read() -> dict[str, np.ndarray]:
            file = self._handles.get()
            marks = self._read_bands(file, where, pixels[: len(self.bands)])
            return marks | self._masks.mark(file, where, shape)

        with convert_read_errors(self.path, window):
            marks = self._file.read(read)
        if self.dtype.kind == "f":
            marks["not finite"] = np.logical_not(np.isfinite(pixels).all(0))
        return pixels, self._mark(pixels, marks) if marks else {}

    def _read_bands(self, file: DatasetReader, window: RasterWindow, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Fill pixels (C, h, w) with the bands. Return which values mark pixels without data -> where (h, w)."""
        numbers, palette = self._bands.numbers, self._bands.palette
        if palette is None and set(self._bands.types) == {self.dtype.name}:  # the usual case, without any copy
            file.read(list(numbers), window=window, out=pixels)
            return {rule.source: rule.mark(pixels) for rule in self.nodata}
        stored = [file.read(number, window=window, out_shape=pixels.shape[1:]) for number in numbers]
        marks = {rule.source: rule.mark(stored) for rule in self.nodata}
        if palette is not None:
            marks["transparent colours"] = fill_with_colours(pixels, stored[0], palette)
            return marks
        with np.errstate(over="ignore", invalid="ignore"):  # doubles beyond float32 become infinite
            for channel, band in zip(pixels, stored):
                channel[:] = band
        return marks

    def _mark(self, pixels: np.ndarray, marks: dict[str, np.ndarray]) -> dict[str, int]:
        """Set validity and padding in pixels (channels, h, w). Return who marks pixels -> how many."""
        empty = np.logical_or.reduce(list(marks.values()))
        if self.has_validity:
            pixels[-1] = ~empty
        if not empty.any():
            return {}
        pixels[: len(self.bands), empty] = self.padding
        return {source: int(mark.sum()) for source, mark in marks.items()}


def fill_with_colours(pixels: np.ndarray, codes: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Fill pixels (3, h, w) with the colours of codes (h, w). Return which have none, or a transparent one (h, w)."""
    known = (codes >= 0) & (codes < len(palette))
    colours = palette[np.where(known, codes, 0)]
    pixels[:] = colours[..., :3].transpose(2, 0, 1)
    return ~known | (colours[..., 3] == 0)


def _chunk_shape(file: DatasetReader, pixel_bytes: int) -> tuple[int, int]:
    """Return height and width to decode at once: whole blocks of the file, since GDAL decodes whole blocks."""
    rows, columns = file.block_shapes[0]
    if columns <= 4096:
        width = max(CHUNK_SIDE // columns, 1) * columns
        height = min(CHUNK_SIDE, CHUNK_BYTES // (pixel_bytes * width))
        return max(height // rows, 1) * rows, width
    lines = CHUNK_BYTES // (pixel_bytes * file.width)  # of a striped file, which may be very wide
    return min(max(lines // 128, 1) * 128, CHUNK_SIDE), file.width
