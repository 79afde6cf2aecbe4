"""Where there is data, in strips, equals what the reader says of every pixel."""

import numpy as np
import pytest
from maps_for_tests import noise, write_map

from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.tiffreader import TiffReader
from inference.land_cover.data_mask import DataMask


def whole_mask(image):
    """Read pixel by pixel's square of one: slow and obvious."""
    x, y, width, height = image.window
    positions = np.array([(x + column, y + row) for row in range(height) for column in range(width)])
    return valid_mask(image.read(positions, 1), image.has_validity).reshape(height, width)


def holes(height, width):
    mask = np.ones((height, width), bool)
    mask[100:170, 130:150], mask[-1], mask[:, -2] = False, False, False
    mask[5, 7] = False
    return mask


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("strip", [1, 64, 100, 128, 256, 1000])
def test_equals_the_validity_of_every_pixel(tmp_path, cache, strip):
    height, width = 290, 331
    path = write_map(tmp_path / "a.tif", noise((2, height, width)), mask=holes(height, width))
    image = TiffReader(path, cache=tmp_path / "cache" if cache else None)
    image.window = Window(3, 2, width - 10, height - 2)  # on no block
    mask, expected = DataMask(image), holes(height, width)[2:, 3 : width - 7]
    for top in range(0, height - 2, strip):
        bottom = min(top + strip, height - 2)
        np.testing.assert_array_equal(mask.strip(top, bottom), expected[top:bottom])


@pytest.mark.parametrize(("height", "width"), [(40, 300), (300, 40), (17, 19)])
def test_maps_that_are_smaller_than_a_block(tmp_path, height, width):
    pixels = noise((1, height, width), "float32")
    pixels[0, 3:9, 5] = np.nan
    image = TiffReader(write_map(tmp_path / "a.tif", pixels), cache=tmp_path / "cache")
    np.testing.assert_array_equal(DataMask(image).strip(0, height), whole_mask(image))
    np.testing.assert_array_equal(DataMask(image).strip(4, 8), whole_mask(image)[4:8])
    assert not DataMask(image).strip(0, height).all()


def test_nothing_is_read_where_the_counts_decide(tmp_path, monkeypatch):
    image = TiffReader(write_map(tmp_path / "a.tif", noise((1, 300, 300))), cache=tmp_path / "cache")
    asked = []
    monkeypatch.setattr(image, "read", lambda positions, size: asked.append(len(positions)) or np.zeros((0, 1, 1, 1)))
    assert DataMask(image).strip(0, 300).all() and sum(asked) == 0
