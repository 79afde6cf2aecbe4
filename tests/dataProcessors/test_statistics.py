"""Normalisation of maps and band statistics of tiles, against slow loops."""

import numpy as np
import pytest
from maps_for_tests import noise, write_map
from numpy.lib.stride_tricks import sliding_window_view

from dataProcessors.sampling.area import Area
from dataProcessors.sampling.nodata_limit import NodataLimit
from dataProcessors.statistics import (
    band_statistics,
    normalisation,
    sample_tiles,
    standardisation,
    warn_about_filler,
)
from dataProcessors.tiffreader import TiffReader


def test_uint8_rgb_has_its_fixed_normalisation(tmp_path):
    offset, scale = normalisation(TiffReader(write_map(tmp_path / "a.tif", noise((3, 100, 100)))), 32)
    assert offset.tolist() == [127.5] * 3 and scale.tolist() == [1 / 127.5] * 3


def test_uint8_rgb_can_be_standardised_all_the_same(tmp_path):
    reader = TiffReader(write_map(tmp_path / "a.tif", noise((3, 100, 100)) // 2))
    offset, scale = standardisation(reader, 32)
    pixels = (reader.read([[0, 0]], 100)[0] - offset[:, None, None]) * scale[:, None, None]
    assert np.allclose(pixels.mean((1, 2)), 0, atol=0.05) and np.allclose(pixels.std((1, 2)), 1, atol=0.05)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_other_maps_get_mean_0_and_deviation_1(tmp_path, dtype):
    pixels = noise((4, 300, 300), dtype)
    pixels[1] = 100  # a constant band
    pixels[pixels == 7] = 8
    pixels[:, :60] = 7  # no data, which is no part of the statistics
    reader = TiffReader(write_map(tmp_path / "a.tif", pixels, nodata=7, photometric="MINISBLACK"))
    offset, scale = normalisation(reader, 50)
    with_data = pixels[:, 60:].reshape(4, -1).astype(float)
    deviation = with_data.std(1)
    assert np.allclose((with_data.mean(1) - offset)[[0, 2, 3]] / deviation[[0, 2, 3]], 0, atol=0.02)
    assert np.allclose((deviation * scale)[[0, 2, 3]], 1, atol=0.02)
    assert (offset[1], scale[1]) == (100, 1)


def test_a_map_without_any_data_and_a_map_smaller_than_a_tile(tmp_path):
    reader = TiffReader(write_map(tmp_path / "a.tif", np.zeros((2, 60, 40), np.uint8), nodata=0))
    offset, scale = normalisation(reader, 50)
    assert offset.tolist() == [0, 0] and scale.tolist() == [1, 1]
    tiles = sample_tiles(reader, 50, 9)
    assert tiles.shape == (9, 3, 40, 40) and not tiles[:, 2].any()


def test_sampled_tiles_are_the_same_every_time_and_from_all_over(tmp_path):
    x, y = np.meshgrid(np.arange(400), np.arange(300))
    reader = TiffReader(write_map(tmp_path / "a.tif", np.stack([x, y]).astype(np.uint16)))
    tiles = sample_tiles(reader, 30)
    assert np.array_equal(tiles, sample_tiles(reader, 30))
    corners = tiles[:, :, 0, 0].astype(int)
    assert corners.min() < 10 and corners[:, 0].max() > 350 and corners[:, 1].max() > 250


def with_area(path, pixels, size, **options):
    """Return a map and its training area."""
    reader = TiffReader(write_map(path, pixels, nodata=0, photometric="MINISBLACK", **options))
    missing = sliding_window_view((pixels == 0).all(0), (size, size))  # of all tiles; reading them takes long
    limit = NodataLimit(reader.summary, size, 0.1, lambda places: missing[places[:, 1], places[:, 0]].mean((1, 2)))
    return reader, Area(reader.window, size, 4, limit)


def test_tiles_of_the_area_stand_in_for_those_that_lack_data(tmp_path):
    pixels = noise((2, 300, 400), "uint16") + 1
    pixels[:, np.add.outer(np.arange(300), np.arange(400)) < 300] = 0  # the corner of a scene that lies aslant
    reader, area = with_area(tmp_path / "a.tif", pixels, 30)
    anywhere, found = sample_tiles(reader, 30), sample_tiles(reader, 30, area=area)
    for before, tile in zip(anywhere, found, strict=True):
        lacks_data = (before[2] == 0).sum() > 0.1 * 30 * 30
        assert (tile[2] == 0).sum() <= 0.1 * 30 * 30
        assert lacks_data or np.array_equal(tile, before)
    assert 50 < ((anywhere[:, 2] == 0).mean((1, 2)) > 0.1).sum() < 150
    assert np.array_equal(found, sample_tiles(reader, 30, area=area))


def test_the_scale_of_a_map_that_holds_data_in_one_corner_alone(tmp_path):
    pixels = np.zeros((2, 2000, 2000), "uint16")
    pixels[:, :60, :60] = noise((2, 60, 60), "uint16") + 1
    reader, area = with_area(tmp_path / "a.tif", pixels, 16)
    assert [each.tolist() for each in standardisation(reader, 16)] == [[0, 0], [1, 1]], "no drawn tile holds data"
    offset, scale = standardisation(reader, 16, area)
    assert np.array_equal(normalisation(reader, 16, area), (offset, scale))
    of_corner = pixels[:, :60, :60].reshape(2, -1).astype(float)
    np.testing.assert_allclose((offset, scale), (of_corner.mean(1), 1 / of_corner.std(1)), rtol=0.05)


def test_a_filler_of_any_size_is_warned_of(tmp_path, caplog):
    for filler in (-9999.0, float(np.finfo(np.float32).min)):
        pixels = noise((2, 300, 400), "float32")
        pixels[:, :, :100] = filler
        caplog.clear()
        warn_about_filler(TiffReader(write_map(tmp_path / f"{-filler:g}.tif", pixels)), 16)
        assert "set 'maps.nodata'" in caplog.text


@pytest.mark.parametrize(("dtype", "holes"), [("uint8", False), ("uint8", True), ("int16", True), ("float32", True)])
def test_band_statistics_equal_a_slow_loop(dtype, holes):
    tiles, empty_pixels = noise((5, 3, 8, 9), dtype), np.zeros((5, 8, 9), bool)
    if holes:
        empty_pixels[1, :4] = empty_pixels[2] = True
    has_validity = holes and dtype != "float32"
    if has_validity:
        tiles = np.concatenate([tiles, ~empty_pixels[:, None]], 1, dtype=dtype)
    elif holes:
        tiles.swapaxes(0, 1)[:, empty_pixels] = np.nan
    offset, scale = np.array([1.0, 2, 3]), np.array([0.5, 2, 4])
    features = band_statistics(tiles, has_validity, offset, scale)
    assert features.shape == (5, 12) and features.dtype == np.float32
    for tile, row, empty in zip(tiles, features, empty_pixels):
        for band in range(3):
            values = tile[band][~empty].astype(float)
            values = values if len(values) else np.zeros(1)
            wanted = np.array([values.mean(), values.std(), values.min(), values.max()])
            wanted = (wanted - [offset[band], 0, offset[band], offset[band]]) * scale[band]
            assert np.allclose(row[band::3], wanted, rtol=1e-4)
