"""Label maps over a part of an image, and what was read of them."""

import numpy as np
from maps_for_tests import LONLAT, around, patches, write_map
from rasterio.crs import CRS

from dataProcessors.label_reader import LabelReader

LAEA = CRS.from_epsg(3035)
TIES = 0.001  # share of pixels whose centre lies so near an edge of the label map's pixels that rounding decides
PART = (0.2, 0.1, 0.9, 1.3)  # of the image that the label map covers: it ends inside of it, and beyond


def labels_in(image, tmp_path, values, crs=LONLAT, pixel=0.0004, side=4, part=PART, name="labels.tif", **options):
    """A label map over a part of the image: square patches of the values, codes or colours (tuples)."""
    place, height, width = around(image.grid, crs, pixel, part)
    values = np.array(values)
    chosen = patches(height, width, np.arange(len(values)), side)
    pixels = values[chosen].astype(options.pop("dtype", "uint8"))
    bands = pixels.transpose(2, 0, 1) if values.ndim == 2 else pixels[None]
    return write_map(tmp_path / name, bands, crs, place, **options)


def opened(path, image, hint=None, name="land", **options):
    return LabelReader(path, name, image, hint, **options)


def whole(reader):
    """Class indices (h, w) of the part of the map in use."""
    x, y, width, height = reader.window
    return reader.source.read_window(x, y, width, height)[0]


def differing(classes, expected):
    return float((classes != expected).mean())
