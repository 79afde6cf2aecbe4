"""GeoTIFFs that are larger than memory: written strip by strip, with overviews, and seen only when they are whole."""

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window as RasterWindow

from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.opening import GDAL_ERRORS, error_text
from storage import atomic_write, write_text

TILE = 256  # pixels; a strip of so many rows is written at once
OVERVIEWS_SHARE = 4 / 3  # size of a raster with its overviews
OVERVIEW_SIDE = 512  # pixels; a raster whose longer side has no more has no overviews
OPTIONS = {
    "driver": "GTiff", "tiled": True, "blockxsize": TILE, "blockysize": TILE, "interleave": "band",
    "bigtiff": "if_safer",
}  # fmt: skip
Compression = dict[str, Any]  # options of GDAL
DEFLATE: Compression = {"compress": "deflate", "zlevel": 6}
FLOATS: Compression = {"compress": "deflate", "predictor": 3}  # differences of the bytes of neighbours
RUNS: Compression = {"compress": "packbits"}  # lengths of runs: where these are long, a quarter of DEFLATE's time


@dataclass(frozen=True)
class RasterFile:
    """What a raster holds, apart from its pixels and its place.

    Attributes:
        path: of the file
        dtype: of its pixels
        nodata: pixel value without data
        bands: description of each band
        compression: DEFLATE, FLOATS, or RUNS where runs of equal pixels are long
        palette: pixel value -> red, green, blue, alpha
        unit: of the values; "": they have none
    """

    path: Path
    dtype: str
    nodata: float
    bands: tuple[str, ...]
    compression: Compression
    palette: dict[int, tuple[int, int, int, int]] | None = None
    unit: str = ""

    @contextmanager
    def open(self, grid: Grid, window: Window) -> Iterator[DatasetWriter]:
        """Yield the file, to write strips to; it appears when the block succeeds. Its overviews are nearest pixels.

        Args:
            grid: of the map
            window: the part of the map that the raster covers
        Raises:
            StorageError: the disk refuses a write
        """
        where = {"crs": grid.crs, "transform": grid.transform @ Affine.translation(window.x, window.y)}
        shape = {"width": window.width, "height": window.height, "count": len(self.bands)}
        with atomic_write(self.path) as temporary:
            options = {"dtype": self.dtype, "nodata": self.nodata, **where, **shape, **OPTIONS, **self.compression}
            with rasterio.open(temporary, "w", **options) as file:
                self._describe(file)
                yield file
            factors = overview_factors(window)
            _add_overviews(temporary, factors)
            if not is_whole(temporary, len(factors)):  # GDAL reports no error if the disk is full as it closes a file
                raise OSError("only a part of it could be")
            move_side_file(temporary, self.path)

    def _describe(self, file: DatasetWriter) -> None:
        for number, name in enumerate(self.bands, 1):
            file.set_band_description(number, name)
        if self.unit:
            file.units = (self.unit,) * len(self.bands)
        if self.palette:
            file.write_colormap(1, self.palette)


def _add_overviews(path: Path, factors: list[int]) -> None:
    if not factors:
        return
    with rasterio.open(path, "r+") as file:
        try:
            file.build_overviews(factors, Resampling.nearest)
        except GDAL_ERRORS as error:
            raise OSError(error_text(error)) from None


def side_file(path: Path) -> Path:
    """Return the file in which GDAL keeps what a raster cannot hold itself: beside it."""
    return path.with_name(f"{path.name}.aux.xml")


def move_side_file(path: Path, target: Path) -> None:
    """Move what GDAL has written beside a raster, such as a CRS that no GeoTIFF can hold, to beside another one.

    What lay there belongs to a raster that is replaced, and goes: GDAL would take its CRS before that of the new one.
    """
    if side_file(path).exists():
        os.replace(side_file(path), side_file(target))
    else:
        side_file(target).unlink(missing_ok=True)


def write_side_file(path: Path, text: str) -> None:
    """Write what GDAL reads beside a raster, XML such as names of classes; a CRS that it keeps there stays."""
    root = ElementTree.fromstring(text)
    if side_file(path).exists():
        root.extend(ElementTree.parse(side_file(path)).getroot().findall("SRS"))
    write_text(side_file(path), ElementTree.tostring(root, encoding="unicode") + "\n")


def write_part(file: DatasetWriter, corner: tuple[int, int], bands: Iterable[np.ndarray]) -> None:
    """Write the pixels (h, w) of all bands in turn, of whole blocks. corner: column and row of the upper-left one."""
    for band, pixels in enumerate(bands, 1):
        file.write(pixels, band, window=RasterWindow(*corner, *pixels.shape[::-1]))


def overview_factors(window: Window) -> list[int]:
    """Return the factors of the overviews: powers of two, until the longer side has OVERVIEW_SIDE pixels or fewer."""
    factors: list[int] = []
    longest = max(window.width, window.height)
    while longest > OVERVIEW_SIDE:
        factors.append(2 ** (len(factors) + 1))
        longest = -(-longest // 2)
    return factors


def is_whole(path: Path, overviews: int) -> bool:
    """Return whether a GeoTIFF has so many overviews, and all blocks of all bands and overviews are in the file."""
    length = path.stat().st_size
    try:
        with rasterio.open(path) as file:
            if any(len(file.overviews(band)) != overviews for band in file.indexes) or not _blocks_lie_in(file, length):
                return False
        for level in range(overviews):
            with rasterio.open(path, overview_level=level) as file:
                if not _blocks_lie_in(file, length):
                    return False
    except rasterio.errors.RasterioError:
        return False
    return True


def _blocks_lie_in(file: DatasetReader, length: int) -> bool:
    """Return whether all blocks of a GeoTIFF lie in a file of so many bytes."""
    for band, (height, width) in zip(file.indexes, file.block_shapes):
        columns, rows = -(-file.width // width), -(-file.height // height)
        for block in (f"{column}_{row}" for row in range(rows) for column in range(columns)):
            offset, size = (
                int(file.get_tag_item(f"BLOCK_{what}_{block}", "TIFF", bidx=band) or 0) for what in ("OFFSET", "SIZE")
            )
            if not 0 < offset <= offset + size <= length:
                return False
    return True


def bytes_needed(files: Iterable[RasterFile], window: Window, share: float) -> int:
    """Return the disk space that files need.

    Args:
        files: with the same pixels
        window: the part of the map that they cover
        share: of the bytes of their pixels that is left when they are compressed, with the overviews
    """
    pixel_bytes = sum(len(file.bands) * np.dtype(file.dtype).itemsize for file in files)
    return int(share * pixel_bytes * window.width * window.height)
