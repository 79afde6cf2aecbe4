"""Tiles in colours, as thumbnails, and with their place on a map."""

import numpy as np
import pytest
from reporting_for_tests import LEGEND, view_of

from reporting.display import Display
from reporting.figures.thumbnails import BORDER, thumbnails
from reporting.tensorboard.writer import THUMBNAIL_SIDE


def test_rgb_of_uint8_is_shown_as_it_is():
    tiles = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6), dtype=np.uint8)
    assert np.array_equal(Display.from_tiles(tiles[:1]).rgb(tiles), tiles.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 2, 4])
def test_bands_are_stretched_between_percentiles(bands, dtype):
    ramp = np.arange(101, dtype=dtype)
    tiles = np.stack([ramp if band == 0 else ramp[::-1] for band in range(bands)])[None, :, None]  # (1, C, 1, 101)
    rgb = Display.from_tiles(tiles).rgb(tiles)
    assert rgb.shape == (1, 1, 101, 3)
    assert rgb.dtype == np.uint8
    expected = np.rint((np.clip(np.arange(101.0), 2, 98) - 2) / 96 * 255).astype(np.uint8)
    assert np.array_equal(rgb[0, 0, :, 0], expected)
    second = expected[::-1] if bands == 4 else expected  # fewer than three bands: the first alone, grey
    assert np.array_equal(rgb[0, 0, :, 1], second)
    assert np.array_equal(rgb[0, 0, :, 2], second)


def test_pixels_without_data_are_black_and_do_not_count():
    tiles = np.full((2, 4, 8, 8), 50.0, np.float32)
    tiles[:, :, ::2] = 100
    tiles[0, 1, 0, 0] = np.nan
    tiles[0, 0, 3, 3] = np.inf
    tiles[1, 2, 1, 1] = np.nan
    display = Display.from_tiles(tiles)
    assert (display.low, display.high) == ((50.0,) * 3, (100.0,) * 3)
    rgb = display.rgb(tiles)
    black = (rgb == 0).all(-1)
    assert black[0, 0, 0]
    assert black[0, 3, 3]
    assert black[1, 1, 1]
    assert (rgb[1, 0, 1] == 255).all()
    valid = np.isfinite(tiles).all(1, keepdims=True)
    marked = np.concatenate([np.nan_to_num(tiles, posinf=0), valid], 1).astype(np.int16)
    assert np.array_equal(Display.from_tiles(marked, has_validity=True).rgb(marked), rgb)


def test_map_of_one_value_or_none_is_shown():
    constant = np.full((1, 1, 4, 4), 7, np.uint16)
    assert np.isin(Display.from_tiles(constant).rgb(constant), (127, 128)).all()
    empty = np.full((1, 5, 4, 4), np.nan, np.float32)
    assert (Display.from_tiles(empty).rgb(empty) == 0).all()


def test_thumbnails_are_framed_in_the_colour_of_the_label():
    rgb = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    framed = thumbnails(rgb, np.array([1, -1, 0]), LEGEND)
    assert framed.shape == (3, THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3)
    for frame, colour in zip(framed, ((90, 160, 60), (127, 127, 127), (0, 0, 200))):
        assert (frame[:BORDER] == colour).all()
        assert (frame[:, -BORDER:] == colour).all()
    halved = rgb.reshape(3, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(framed[:, BORDER:-BORDER, BORDER:-BORDER] - halved).max() <= 1


def test_tiles_of_no_place_on_earth_have_no_address():
    tiles, positions = np.zeros((1, 3, 8, 8), np.uint8), np.array([[4, 12]])
    nowhere = view_of(tiles, lonlat=lambda points: np.full((len(points), 2), np.nan))
    assert nowhere.describe_tiles(positions, np.array([2])) == [["4", "12", "", "", "ice", ""]]
    synthetic = view_of(tiles, synthetic=True)
    assert synthetic.describe_tiles(positions, np.array([-1])) == [["4", "12", "10.80000", "50.60000", "no label", ""]]
    assert synthetic.title_suffix == " (synthetic map)" and not nowhere.title_suffix
