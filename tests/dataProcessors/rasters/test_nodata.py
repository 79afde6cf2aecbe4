"""Which values stand for no data, as GDAL's masks have it; which bands mark pixels; what the log says."""

import logging

import numpy as np
import pytest
import rasterio
from maps_for_tests import noise, write_map
from rasterio.enums import ColorInterp

from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.nodata import equals_nodata
from dataProcessors.tiffreader import TiffReader

NAMES = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined, ColorInterp.alpha]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nodata", [0.0, -9999.0, 0.1, 1e-30, -3.4e38, float(np.finfo("float32").min), 1e20])
def test_floats_are_compared_as_gdal_compares_them(tmp_path, dtype, nodata):
    own = np.dtype(dtype).type(nodata)
    steps = [own]
    for _ in range(6):
        steps += [np.nextafter(steps[-1], np.dtype(dtype).type(np.inf)), np.nextafter(steps[0], -np.inf)]
        steps.insert(0, steps.pop())
    others = np.array([0, 1, -1, 9999, -1e30, -1e37, -1e38, -3.3e38, np.finfo("float32").min, 3e38], dtype)
    pixels = np.concatenate([np.array(steps, dtype), others, -others])[None, None]
    path = write_map(tmp_path / "a.tif", pixels, nodata=nodata)
    with rasterio.open(path) as file:
        masked = file.read_masks(1) == 0
        declared = file.nodata
    assert masked.any()
    if dtype == "float64" and abs(nodata) > 1e38:  # GDAL would leave fillers that were rounded to floats
        assert np.array_equal(equals_nodata(pixels[0].astype(np.float32), declared), equals_nodata(pixels[0], declared))
        assert not (masked & ~equals_nodata(pixels[0], declared)).any()
    else:
        assert np.array_equal(equals_nodata(pixels[0], declared), masked)


def test_a_value_beyond_all_floats_stands_for_the_nearest_one():
    lowest = np.finfo(np.float32).min
    for pixels in (np.array([lowest, 1, -1e30], np.float32), np.array([-1.7976931348623157e308, 1, -1e30])):
        assert equals_nodata(pixels, -1.7976931348623157e308).tolist() == [True, False, False]
    assert equals_nodata(np.array([float(lowest), 1.0, -1e30]), -3.4e38).tolist() == [True, False, False]


def test_an_alpha_that_is_no_number_marks_pixels(tmp_path):
    pixels = noise((4, 60, 80), "float32")
    pixels[3] = np.where(holes(), np.nan, 1)
    meanings = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    path = write_map(tmp_path / "a.tif", pixels, photometric="RGB", colorinterp=meanings)
    assert np.array_equal(np.isnan(ImageSource(path).read_window(0, 0, 80, 60)[0]), holes())


def holes(shape=(60, 80)) -> np.ndarray:
    where = np.zeros(shape, bool)
    where[10:20, 5:50] = True
    return where


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("nodata", [None, 7])
def test_alpha_counts_in_every_file(tmp_path, dtype, nodata):
    """GDAL's own flags say nothing of a fifth band, of these types, or of any beside a nodata value."""
    pixels = np.clip(np.abs(noise((5, 60, 80), dtype)), 10, 200)
    pixels[4] = np.where(holes(), 0, 200)
    pixels[2, 40] = 7
    path = write_map(tmp_path / "a.tif", pixels, nodata=nodata, photometric="RGB", colorinterp=NAMES)
    empty = holes()
    empty[40] |= nodata is not None
    reader = TiffReader(path, cache=tmp_path / "cache")
    assert reader.bands == (1, 2, 3, 4)
    assert reader.summary.counts.sum() == (~empty).sum()


def test_a_mask_and_a_nodata_value_count_together(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    pixels = np.clip(noise((2, 60, 80)), 10, 200)
    pixels[1, 40] = 255
    pixels[0, 41] = 3
    path = write_map(tmp_path / "a.tif", pixels, nodata=255, mask=~holes(), photometric="MINISBLACK")
    reader = TiffReader(path, nodata=3, cache=tmp_path / "cache")
    assert reader.summary.counts.sum() == 60 * 80 - holes().sum() - 160
    shares = (
        f"mask {holes().mean():.1%}, nodata 255 of the file {80 / 4800:.1%}, nodata 3 of maps.nodata {80 / 4800:.1%}"
    )
    for part in shares.split(", "):
        assert part in caplog.text
    caplog.clear()
    TiffReader(path, nodata=3, cache=tmp_path / "cache")  # prepared before
    assert f"mask {holes().mean():.1%}" in caplog.text


def test_zero_is_a_value_unless_all_bands_declare_it_and_hold_it(tmp_path):
    pixels = noise((3, 60, 80)) | 1
    pixels[0, 5] = 0  # a dark lake
    pixels[:, 6] = 0
    for nodata, empty in ((None, 0), (0, 80)):
        path = write_map(tmp_path / f"{nodata}.tif", pixels, nodata=nodata)
        assert TiffReader(path, cache=tmp_path / "cache").summary.counts.sum() == 4800 - empty
    one = ImageSource(write_map(tmp_path / "one.tif", pixels[:1], nodata=0))
    assert (one.read_window(0, 0, 80, 60)[1] == 0).sum() == 160
    signed = ImageSource(write_map(tmp_path / "signed.tif", pixels.astype(np.int16), nodata=0))
    assert (signed.read_window(0, 0, 80, 60)[3] == 0).sum() == 160


def test_only_the_chosen_bands_count(tmp_path):
    pixels = noise((3, 60, 80), "int16")
    pixels[pixels == -9999] = 0
    pixels[2, 5] = -9999
    path = write_map(tmp_path / "a.tif", pixels, nodata=-9999, photometric="MINISBLACK")
    for bands, empty in (((1, 2), 0), ((3, 1), 80), (None, 80)):
        assert TiffReader(path, bands=bands, cache=tmp_path / "cache").summary.counts.sum() == 4800 - empty


def test_a_value_that_is_data_in_a_masked_map_stays(tmp_path):
    """Night lights: 0 is a dark place, and the mask alone says where nothing was seen."""
    pixels = np.where(noise((1, 60, 80)) < 200, 0, 50).astype(np.uint8)
    reader = TiffReader(write_map(tmp_path / "a.tif", pixels, mask=~holes()), cache=tmp_path / "cache")
    tile = reader.read([[0, 0]], 60)[0]
    assert np.array_equal(tile[1] == 0, holes()[:, :60])
    assert np.array_equal(tile[0], np.where(holes(), 0, pixels[0])[:, :60])
