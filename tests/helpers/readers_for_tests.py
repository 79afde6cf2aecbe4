"""Image maps that are read in both ways, prepared and directly, against what rasterio reads."""

from pathlib import Path

import numpy as np
import rasterio
from maps_for_tests import corners_in
from rasterio.windows import Window as RasterWindow

from dataProcessors.tiffreader import TiffReader

TILED = {"tiled": True, "blockxsize": 256, "blockysize": 256}


def read_by_rasterio(path, positions, size, bands=None):
    with rasterio.open(path) as file:
        return np.stack([file.read(bands, window=RasterWindow(x, y, size, size)) for x, y in positions.tolist()])


def both_ways(path, tmp_path, **options):
    return TiffReader(path, cache=tmp_path / "cache", **options), TiffReader(path, **options)


def assert_reads(path, tmp_path, expected=read_by_rasterio, sizes=(1, 37, 96), **options):
    """Prepared and direct reading give what `expected` gives for tiles all over the map; gives the two readers.

    A validity, if there is one, is left to `assert_nodata`.
    """
    readers = both_ways(path, tmp_path, **options)
    for reader in readers:
        for size in sizes:
            size = min(size, *reader.window[2:])
            positions = corners_in(reader.window, size, 12)
            tiles = reader.read(positions, size)[:, : len(reader.bands)]
            wanted = expected(path, positions, size)
            assert tiles.dtype == wanted.dtype and tiles.shape == wanted.shape
            assert np.array_equal(tiles, wanted, equal_nan=tiles.dtype.kind == "f")
    return readers


def folders(cache):
    return sorted(entry.name for entry in Path(cache).iterdir())
