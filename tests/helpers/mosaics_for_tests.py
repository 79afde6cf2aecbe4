"""Put maps of many files together in a slow, obvious way, to compare with."""

import numpy as np
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from dataProcessors.rasters.grid import Grid
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.nodata import valid_mask

UTM33 = CRS.from_epsg(32633)
RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]


def whole(source) -> tuple[np.ndarray, np.ndarray]:
    """The bands (C, h, w) of a map, and where they hold data (h, w)."""
    pixels = source.read_window(*source.grid.window)
    return pixels[: len(source.bands)], valid_mask(pixels, source.has_validity)


def composed(paths, grid: Grid, **options) -> tuple[np.ndarray, np.ndarray]:
    """The bands and the mask of files on one grid, pixel by pixel the first file painted last."""
    sources = [(each, *whole(each)) for each in (ImageSource(path, **options) for path in paths)]
    first = sources[0][0]
    bands = np.full((len(first.bands), grid.height, grid.width), first.padding, first.dtype)
    valid = np.zeros((grid.height, grid.width), bool)
    for source, pixels, mask in sources[::-1]:
        to_file = ~source.grid.transform @ grid.transform
        for row, column in np.ndindex(grid.height, grid.width):
            x, y = (int(value // 1) for value in to_file @ (column + 0.5, row + 0.5))
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x]:
                bands[:, row, column], valid[row, column] = pixels[:, y, x], True
    return bands, valid


def assert_same(found, expected) -> None:
    for one, other in zip(found, expected):
        assert one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
