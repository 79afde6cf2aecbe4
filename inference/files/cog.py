"""Writes an embedded map as a Cloud Optimized GeoTIFF: one pixel a tile, a band for each dimension."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window as RasterWindow

from dataProcessors.rasters.opening import GDAL_ERRORS, error_text
from inference.core.embedded_map import NODATA, EmbeddedMap
from inference.files.raster_file import move_side_file
from storage import StorageError, atomic_write, check_space, convert_write_errors, storage_error, temporary_folder

BLOCK_BYTES = 1 << 24  # of a block with all its bands, at most; memory holds a few
BLOCK_SIDES = (256, 128, 64, 32, 16)  # pixels; a multiple of 16
PREDICTORS = {"int8": 2, "float32": 3}  # of DEFLATE: differences of whole numbers, of the bytes of floats
GDAL_CACHE = 64  # MB of blocks; GDAL's default is a twentieth of the machine's memory


def write_cog(embedded: EmbeddedMap, path: Path) -> None:
    """Write the stored vectors, as they are, to a Cloud Optimized GeoTIFF.

    int8 with nodata -128, where a value is the band's scale times what is stored, or float32 with nodata NaN. A pixel
    is a square of the stride around its tile's centre. There are no overviews: GDAL would interpolate them for each
    band by itself, and means of unit vectors are shorter than 1.

    GDAL's COG driver only copies, so a plain GeoTIFF is written first; the copy is compared with the vectors, as GDAL
    reports no error where the disk is full when it closes a file.

    Raises:
        StorageError: the disk is too small, or refuses a write
    """
    check_space(path, cog_bytes(len(embedded.tiles), embedded.dimensions * embedded.vectors.itemsize))
    with convert_write_errors(path), temporary_folder(path.parent) as folder, rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE):
        plain, copy = folder / "plain.tif", folder / path.name
        try:
            _write_plain(embedded, plain)
            _copy_as_cog(embedded, plain, copy)
            same = _holds(copy, embedded)
        except GDAL_ERRORS as error:
            raise storage_error(path, OSError(error_text(error))) from None
        if not same:
            raise StorageError(f"{path}: was not written as a whole: is the disk full? Free some space there.")
        with atomic_write(path) as temporary:
            os.replace(copy, temporary)
            move_side_file(copy, path)


def cog_bytes(tiles: int, tile_bytes: int) -> int:
    """Return the disk space that writing needs at most, for embeddings of so many bytes a tile."""
    return int(2.1 * tiles * tile_bytes)  # the plain file and its copy, even if nothing can be compressed


def tags(embedded: EmbeddedMap) -> dict[str, str]:
    """Return what a file with the vectors says about them: how to get the embeddings back, and where they are from."""
    about = embedded.about
    invalid = f"{NODATA} in all dimensions" if about["type"] == "int8" else "NaN"
    return {
        "EMBEDDING": f"value = {embedded.scale!r} * stored value; {invalid}: the tile has too little data",
        "UNIT_LENGTH": "yes: products of embeddings are cosines" if embedded.unit_length else "no",
        "IMAGE_SIZE": f"{embedded.tiles.size} pixels of the map: side of a tile",
        "STRIDE": f"{embedded.tiles.stride} pixels of the map: from one tile to the next",
        "NETWORK": about["network"]["network"],
        "NETWORK_SHA256": about["network"]["sha256"],
        "MAP": str(about["map"]["path"]),
        "MAP_CONTENT": str(about["map"].get("content")),
    }


def _block_side(embedded: EmbeddedMap) -> int:
    """Return the side of the file's blocks, in which the values of a pixel lie side by side."""
    pixel = embedded.dimensions * embedded.vectors.itemsize
    return next((side for side in BLOCK_SIDES if side**2 * pixel <= BLOCK_BYTES), BLOCK_SIDES[-1])


def _blocks(embedded: EmbeddedMap) -> Iterator[tuple[RasterWindow, np.ndarray]]:
    """Yield each block's window and its stored values (D, h, w)."""
    rows, columns, side = embedded.tiles.rows, embedded.tiles.columns, _block_side(embedded)
    raster = embedded.vectors.reshape(rows, columns, -1)
    for row in range(0, rows, side):
        for column in range(0, columns, side):
            block = raster[row : row + side, column : column + side]
            yield RasterWindow(column, row, *block.shape[1::-1]), block.transpose(2, 0, 1)


def _write_plain(embedded: EmbeddedMap, path: Path) -> None:
    tiles, grid, side = embedded.tiles, embedded.map_grid, _block_side(embedded)
    dtype = embedded.vectors.dtype.name
    with rasterio.open(
        path, "w", driver="GTiff", width=tiles.columns, height=tiles.rows, count=embedded.dimensions, dtype=dtype,
        nodata=NODATA if dtype == "int8" else np.nan, crs=grid.crs, transform=tiles.raster_transform(grid.transform),
        tiled=True, blockxsize=side, blockysize=side, interleave="pixel", photometric="MINISBLACK",
        bigtiff="IF_SAFER",
    ) as file:  # fmt: skip
        file.descriptions = [f"embedding {number}" for number in range(1, file.count + 1)]
        file.scales, file.offsets = [embedded.scale] * file.count, [0.0] * file.count
        file.update_tags(**tags(embedded))
        for window, values in _blocks(embedded):
            file.write(values, window=window)


def _copy_as_cog(embedded: EmbeddedMap, plain: Path, copy: Path) -> None:
    rasterio.shutil.copy(
        plain, copy, driver="COG", COMPRESS="DEFLATE", PREDICTOR=PREDICTORS[embedded.vectors.dtype.name],
        BLOCKSIZE=_block_side(embedded), OVERVIEWS="NONE", BIGTIFF="IF_SAFER",
    )  # fmt: skip


def _holds(path: Path, embedded: EmbeddedMap) -> bool:
    """Return whether a raster holds the stored vectors."""
    is_float = embedded.vectors.dtype.kind == "f"
    with rasterio.open(path) as file:
        return all(
            np.array_equal(file.read(window=window), values, equal_nan=is_float) for window, values in _blocks(embedded)
        )
