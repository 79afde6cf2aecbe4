"""Rasters of others on the image's grid, against slow loops: quantised ones, other grids, gaps, and bad files."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from maps_for_tests import CORNER, LONLAT, UTM32, grid_of, noise, write_map
from rasterio.warp import transform
from vrt_for_tests import vrt_band, vrt_source, write_vrt

from config import UserError
from dataProcessors.rasters.feature_raster import AlignedRaster, FeatureRaster

GRID = grid_of(60, 50)
POSITIONS = np.array([[0, 0], [31, 17], [44, 34]])
SIZE = 16


def tiles_of(path, dequantise="none", grid=GRID) -> tuple[np.ndarray, np.ndarray]:
    """Return values (N, C, SIZE, SIZE) and validity (N, SIZE, SIZE)."""
    tiles = AlignedRaster(FeatureRaster(str(path), dequantise), grid, grid.window).read(POSITIONS, SIZE)
    assert tiles.dtype == np.float32
    return tiles[:, :-1], tiles[:, -1] != 0


def nearest(pixels, crs, place, grid=GRID):
    """Values and validity of the tiles, pixel by pixel: the pixel of the file in which the middle of a pixel lies."""
    values = np.zeros((len(POSITIONS), len(pixels), SIZE, SIZE))
    inside = np.zeros((len(POSITIONS), SIZE, SIZE), bool)
    for number, (left, top) in enumerate(POSITIONS):
        for y in range(SIZE):
            for x in range(SIZE):
                (u,), (v,) = transform(grid.crs, crs, *([c] for c in grid.transform @ (left + x + 0.5, top + y + 0.5)))
                column, row = (int(np.floor(c)) for c in ~place @ (u, v))
                if 0 <= column < pixels.shape[2] and 0 <= row < pixels.shape[1]:
                    values[number, :, y, x], inside[number, y, x] = pixels[:, row, column], True
    return values, inside


def southwards(place: Affine, height: int) -> Affine:
    """Return the place of the same pixels with rows from south to north."""
    return place @ Affine(1, 0, 0, 0, -1, height)


FINER = CORNER @ Affine.scale(0.37, 0.43)
LONGITUDE = Affine(0.0001, 0, transform(UTM32, LONLAT, [CORNER.c], [CORNER.f])[0][0] + 0.0011, 0, -0.0001, 49.646)


@pytest.mark.parametrize("south", [False, True])
@pytest.mark.parametrize(("crs", "place"), [(UTM32, CORNER), (UTM32, FINER), (LONLAT, LONGITUDE)])
def test_alphaearth_is_nearest_and_then_dequantised(tmp_path, crs, place, south):
    pixels = noise((3, 130, 170), "int8")
    pixels[:, 20:45, 30:60] = -128
    pixels[pixels == -128] = np.where(np.arange(np.sum(pixels == -128)) % 2, -128, -128)
    pixels[:, (pixels == -128).any(0)] = -128
    stored, where = (pixels[:, ::-1], southwards(place, 130)) if south else (pixels, place)
    path = write_map(tmp_path / "a.tif", stored, crs, where)
    values, valid = tiles_of(path, "alphaearth")
    codes, inside = nearest(pixels, crs, place)
    expected = inside & (codes != -128).all(1)
    assert expected.any() and not expected.all()
    assert np.mean(valid != expected) < 0.005, "edges of pixels may fall on either side"
    both = (valid & expected)[:, None] & np.ones((1, 3, 1, 1), bool)
    wrong = np.abs(values - np.sign(codes) * (codes / 127.5) ** 2) > 1e-6
    assert np.mean(wrong[both]) < 0.005
    assert not values[~np.broadcast_to(valid[:, None], values.shape)].any()


def test_floats_are_bilinear_and_gaps_do_not_spread(tmp_path):
    """A plane is the same plane after bilinear interpolation, whatever lies in its gaps."""
    place = Affine(7, 0, CORNER.c - 20, 0, -7, CORNER.f + 20)
    columns, rows = np.meshgrid(np.arange(120) + 0.5, np.arange(100) + 0.5)
    pixels = np.stack([columns, 3 * rows]).astype(np.float32)
    for name, gap, options in (("nan", np.nan, {}), ("nodata", -9999, {"nodata": -9999})):
        pixels[:, 30:50, 20:60] = gap
        values, valid = tiles_of(write_map(tmp_path / f"{name}.tif", pixels, place=place, **options))
        assert valid.any() and not valid.all()
        for (left, top), tile, mask in zip(POSITIONS, values, valid):
            x, y = np.meshgrid(left + np.arange(SIZE) + 0.5, top + np.arange(SIZE) + 0.5)
            column, row = ~place @ GRID.transform @ (x, y)
            away = mask & ~((column > 18) & (column < 62) & (row > 28) & (row < 52))
            np.testing.assert_allclose(tile[:, away], np.stack([column, 3 * row])[:, away], atol=0.05)
            assert np.abs(tile).max() < 400, "no value of a gap is mixed in"


def test_scale_and_offset_of_the_file(tmp_path):
    pixels = noise((2, 50, 60), "uint16")
    path = write_map(tmp_path / "a.tif", pixels, nodata=7)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.5, 2.0), (-1.0, 10.0)
    stored, scaled = tiles_of(path)[0], tiles_of(path, "scale_offset")[0]
    np.testing.assert_allclose(scaled, stored * np.reshape([0.5, 2], (2, 1, 1)) + np.reshape([-1, 10], (2, 1, 1)))
    np.testing.assert_array_equal(stored[1], pixels[:, 17:33, 31:47])


def test_overviews_are_never_used(tmp_path):
    """Of a file three times as fine, each pixel is still one of the file's own, though overviews hold others."""
    pixels = np.where(np.arange(300) % 2, 100, 1) * np.ones((1, 300, 1), np.uint8)
    path = write_map(tmp_path / "a.tif", pixels.astype(np.uint8), place=CORNER @ Affine.scale(1 / 4), tiled=True)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], rasterio.enums.Resampling.average)
    values, valid = tiles_of(path)
    assert set(np.unique(values[np.broadcast_to(valid[:, None], values.shape)])) <= {1, 100}


@pytest.mark.parametrize(
    ("dtype", "opaque"), [("uint8", 255), ("uint8", 1), ("uint16", 1), ("int16", 1), ("int16", 255), ("float32", 1)]
)
def test_an_alpha_band_is_no_feature(tmp_path, dtype, opaque):
    pixels = noise((3, 50, 60)).astype(dtype)
    pixels[2] = opaque
    pixels[2, :20] = 0
    interpretation = [rasterio.enums.ColorInterp[name] for name in ("gray", "undefined", "alpha")]
    path = write_map(tmp_path / "a.tif", pixels, colorinterp=interpretation)
    values, valid = tiles_of(path)
    assert values.shape[1] == 2
    for (left, top), tile, there in zip(POSITIONS, values, valid):
        part = pixels[:, top : top + SIZE, left : left + SIZE]
        np.testing.assert_array_equal(there[: part.shape[1], : part.shape[2]], part[2] > 0)
        np.testing.assert_array_equal(tile[:, there], part[:2][:, part[2] > 0])
    assert 0 < valid[1].mean() < 1


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.write_text("no raster"), "cannot be opened"),
        (lambda path: write_map(path, noise((1, 9, 9)), crs=None), "declares no CRS"),
        (lambda path: write_map(path, np.ones((1, 9, 9), np.complex64)), "real numbers"),
        (lambda path: write_map(path, noise((1, 9, 9)), place=CORNER @ Affine.translation(500, 0)), "not overlap"),
    ],
)
def test_bad_files_are_one_line(tmp_path, make, told):
    path = tmp_path / "bad.tif"
    make(path)
    with pytest.raises(UserError) as caught:
        tiles_of(path)
    assert str(caught.value).startswith(str(path)) and told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_alphaearth_needs_whole_numbers(tmp_path):
    with pytest.raises(UserError, match="already"):
        FeatureRaster(str(write_map(tmp_path / "a.tif", noise((1, 9, 9), "float32"))), "alphaearth")


def test_an_image_without_crs(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((1, 9, 9)))
    with pytest.raises(UserError, match="the image declares no CRS"):
        tiles_of(path, grid=grid_of(60, 50, crs=None))


@pytest.mark.parametrize("second", ["<NoDataValue>-2</NoDataValue>", ""])
def test_bands_of_different_nodata_values_are_refused(tmp_path, second):
    """They are warped with one value, so that the other would be taken for data."""
    write_map(tmp_path / "a.tif", noise((1, 50, 60), "float32"))
    bands = [
        vrt_band(number, "float32", nodata, vrt_source("a.tif"))
        for number, nodata in enumerate(("<NoDataValue>-1</NoDataValue>", second), 1)
    ]
    with pytest.raises(UserError, match=r"a\.vrt: its bands declare different nodata values: -1\.0, (-2\.0|None)\."):
        FeatureRaster(str(write_vrt(tmp_path / "a.vrt", (50, 60), *bands)))
