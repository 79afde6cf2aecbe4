"""Which pixels of an image map hold no data, in tiles, shares and counts, prepared and read directly."""

from pathlib import Path

import numpy as np
import pytest
from maps_for_tests import corners_in, counted, noise, patches, write_map
from rasterio.enums import ColorInterp
from readers_for_tests import assert_reads, both_ways

from dataProcessors.label_reader import LabelReader
from dataProcessors.prepared.blocks import block_pixels
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader

RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]


def filled(bands=3, dtype="uint8", value=0, seed=3):
    """Pixels with rectangles and single pixels of one value in all bands, others with it in one band, and where."""
    pixels = noise((bands, 300, 400), dtype, seed)
    pixels[pixels == value] = 1
    nothing = patches(300, 400, [True, False, False], 60, seed) | (noise((300, 400), seed=seed) == 9)
    pixels[0, 200:230] = value  # one band alone
    pixels[:, nothing] = value
    return pixels, nothing


def cut(pixels, nothing):
    """A function that gives tiles of pixels that hold 0, or NaN, where there is nothing."""
    kept = np.where(nothing, np.nan if pixels.dtype.kind == "f" else 0, pixels).astype(pixels.dtype)

    def expected(path, positions, size):
        return np.stack([kept[:, y : y + size, x : x + size] for x, y in positions.tolist()])

    return expected


def assert_nodata(readers, nothing):
    """Tiles are marked exactly where `nothing` is set, and summary and shares say so."""
    prepared, direct = readers
    for reader in readers:
        positions = corners_in(reader.window, 50, 20)
        marked = ~valid_mask(reader.read(positions, 50), reader.has_validity)
        assert np.array_equal(marked, [nothing[y : y + 50, x : x + 50] for x, y in positions.tolist()])
        wanted = np.array([nothing[y : y + 50, x : x + 50].mean() for x, y in positions.tolist()])
        assert np.allclose(reader.nodata_share(positions, 50), wanted, atol=1e-12)
    assert prepared.summary.exact and not direct.summary.exact
    assert np.array_equal(prepared.summary.counts[0], counted(~nothing))
    assert np.abs(direct.summary.counts[0].astype(int) - counted(~nothing)).max() < 0.15 * 128**2  # every 16th pixel
    assert (direct.summary.counts[0] <= block_pixels(direct.summary.window)).all()


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 0), ("int16", -9999), ("uint16", 65534)])
@pytest.mark.parametrize("bands", [2, 4])
def test_declared_nodata(tmp_path, dtype, value, bands):
    """A shared 0 of an unsigned type must be in all bands; any other value in one."""
    pixels, nothing = filled(bands, dtype, value)
    nothing[200:230] |= value != 0
    path = write_map(tmp_path / "a.tif", pixels, nodata=value, photometric="MINISBLACK")
    assert_nodata(assert_reads(path, tmp_path, cut(pixels, nothing)), nothing)


def test_nodata_that_the_config_names(tmp_path):
    pixels, nothing = filled(value=7)
    nothing[200:230] = True
    path = write_map(tmp_path / "a.tif", pixels)
    assert_nodata(assert_reads(path, tmp_path, cut(pixels, nothing), nodata=7), nothing)
    assert not TiffReader(path).has_validity
    with pytest.raises(MapError, match=r"'maps\.nodata' is 300, but pixels of type uint8"):
        TiffReader(path, nodata=300)


def test_float_nodata_nan_and_infinity(tmp_path):
    pixels, nothing = noise((2, 300, 400), "float32"), patches(300, 400, [0, 0, 1, 2, 3], 40)
    for kind, value in enumerate((np.nan, np.inf, -9999), 1):
        pixels[:, nothing == kind] = value
    pixels[1, 5, 5] = np.nan  # of one band alone: no data either
    path = write_map(tmp_path / "a.tif", pixels, nodata=-9999)
    nothing[5, 5] = 1
    assert_nodata(assert_reads(path, tmp_path, cut(pixels, nothing > 0)), nothing > 0)


def test_internal_mask_and_alpha_band(tmp_path):
    pixels, there = noise((3, 300, 400)), ~patches(300, 400, [True, False, False], 60)
    pixels[:, 30:50] = 0  # a value like any other
    masked = write_map(tmp_path / "mask.tif", pixels, mask=there)
    with_alpha = np.concatenate([pixels, 255 * there[None].astype(np.uint8)])
    alpha = write_map(tmp_path / "alpha.tif", with_alpha, photometric="RGB", colorinterp=RGBA)
    for path in (masked, alpha):
        readers = assert_reads(path, tmp_path, cut(pixels, ~there))
        assert_nodata(readers, ~there)
        assert readers[0].bands == (1, 2, 3)


def test_an_alpha_band_named_in_bands_is_data(tmp_path, caplog):
    """Near infrared as fourth of four bands is called alpha by many programs."""
    path = write_map(tmp_path / "a.tif", noise((4, 150, 150)), photometric="RGB", colorinterp=RGBA)
    assert TiffReader(path).bands == (1, 2, 3)
    assert "band 4 is read as alpha" in caplog.text
    reader = assert_reads(path, tmp_path, bands=(1, 2, 3, 4))[0]
    assert not reader.has_validity


@pytest.mark.parametrize("nodata", [-9999, 256, float("nan"), 0.5])
def test_a_declared_nodata_that_pixels_cannot_have_is_none(tmp_path, nodata):
    """GDAL itself refuses to write most of them; files of other programs have them all the same."""
    path = write_map(tmp_path / "a.tif", noise((1, 130, 130)))
    Path(f"{path}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><NoDataValue>{nodata}</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    assert not ImageSource(path).has_validity


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_a_whole_map_is_prepared_without_validity(tmp_path, dtype):
    """It declares a nodata value that no pixel holds; direct reading cannot know."""
    pixels = noise((3, 300, 400), dtype)
    pixels[pixels == 7] = 8
    prepared, direct = assert_reads(write_map(tmp_path / "a.tif", pixels, nodata=7), tmp_path)
    assert (prepared.has_validity, direct.has_validity) == (False, True)
    assert_nodata((prepared, direct), np.zeros((300, 400), bool))
    assert np.array_equal(prepared.overview()[0], pixels)


@pytest.mark.parametrize("shape", [(300, 300), (257, 1000), (128, 129), (97, 130)])
def test_an_estimated_summary_of_a_map_full_of_data_is_exact(tmp_path, shape):
    path = write_map(tmp_path / "image.tif", noise((1, *shape)) | 1, nodata=0)
    readers = both_ways(path, tmp_path)
    assert all(reader.summary.counts.sum() == shape[0] * shape[1] for reader in readers)
    labels = LabelReader(write_map(tmp_path / "labels.tif", noise((1, *shape)) % 3), "land", readers[0])
    assert labels.classes.labelled == pytest.approx(1, abs=0.001)


def test_summary_of_a_map_full_of_data(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 200)))
    for reader in both_ways(path, tmp_path):
        assert np.array_equal(reader.summary.counts, [[[128**2, 72 * 128], [128**2, 72 * 128], [44 * 128, 44 * 72]]])
        assert (reader.nodata_share(corners_in(reader.window, 50, 5), 50) == 0).all()


def test_shares_without_data_of_any_number_of_tiles(tmp_path, monkeypatch):
    pixels = noise((2, 300, 300))
    pixels[:, 100:180, :150] = 0
    reader = TiffReader(write_map(tmp_path / "a.tif", pixels, photometric="MINISBLACK"), nodata=0)
    positions = np.random.default_rng(0).integers(0, 260, (50, 2))
    expected = [(pixels[:, y : y + 40, x : x + 40] == 0).all(0).mean() for x, y in positions]
    monkeypatch.setattr("dataProcessors.tiffreader.MAX_BATCH_BYTES", 40 * 40 * 4 * 7)  # 7 tiles
    assert np.allclose(reader.nodata_share(positions, 40), expected)
    assert reader.nodata_share(positions[:0], 40).shape == (0,)
