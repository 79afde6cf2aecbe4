"""Image maps as tiles, prepared and read directly, against what rasterio reads, over many kinds of GeoTIFFs."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from affine import Affine
from maps_for_tests import CORNER, corners_in, noise, write_map
from readers_for_tests import TILED, assert_reads, both_ways, read_by_rasterio

from config import UserError
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 4, 13, 64])
def test_kinds_of_pixels(tmp_path, dtype, bands):
    path = write_map(tmp_path / "a.tif", noise((bands, 150, 300), dtype), photometric="MINISBLACK")
    reader = assert_reads(path, tmp_path)[0]
    assert (reader.width, reader.height, reader.crs.to_epsg()) == (300, 150, 32632)
    assert reader.transform == CORNER
    assert (reader.dtype, len(reader.bands)) == (dtype, bands)
    assert not reader.has_validity


@pytest.mark.parametrize("shape", [(100, 60), (128, 128), (129, 257), (300, 1000), (1000, 130)])
@pytest.mark.parametrize(
    "layout",
    [{}, {"blockysize": 7}, TILED, TILED | {"interleave": "band", "compress": "deflate"},
     TILED | {"blockxsize": 16, "blockysize": 48}],
    ids=["striped", "strips of 7", "tiled 256", "deflated bands", "tiled 16 x 48"],
)  # fmt: skip
def test_layouts_and_odd_sizes(tmp_path, shape, layout):
    path = write_map(tmp_path / "a.tif", noise((3, *shape)), **layout)
    assert_reads(path, tmp_path, sizes=(50, 200))


def test_tiles_over_many_blocks(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((2, 700, 900)), photometric="MINISBLACK")
    assert_reads(path, tmp_path, sizes=(127, 128, 129, 300, 513, 700))


def test_chunks_are_as_wide_as_a_wide_striped_map_and_many(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((1, 1100, 4200)))
    reader = assert_reads(path, tmp_path, sizes=(96,), threads=3)[0]
    assert reader.source.chunk == (512, 4200)


def test_stripes_of_many_bytes_are_decoded_in_smaller_chunks(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((20, 260, 4200)).astype(np.float32), photometric="MINISBLACK")
    reader = assert_reads(path, tmp_path, sizes=(96,), threads=2)[0]
    assert reader.source.chunk == (128, 4200)


def test_chosen_bands(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((5, 140, 140)), photometric="MINISBLACK")
    for bands in ((3,), (5, 1, 2)):
        reader = assert_reads(path, tmp_path, lambda *a, b=bands: read_by_rasterio(*a, list(b)), bands=bands)[0]
        assert reader.bands == bands
    with pytest.raises(MapError, match="has band 6, but the file has bands 1 to 5"):
        TiffReader(path, bands=(1, 6))


def test_a_rectangle_of_the_map(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 700, 800)))
    west, south, east, north = TiffReader(path).grid.lonlat_bounds()
    rect = (west + 0.3 * (east - west), south + 0.2 * (north - south), east - 0.1 * (east - west), north)
    reader = assert_reads(path, tmp_path, rect=rect)[0]
    x, y, width, height = reader.window
    assert 220 < x < 260 and 460 < width < 500 and y < 10 and 530 < height < 570
    assert 0 <= x - reader.summary.window.x < 128  # positions count from the image's corner, blocks from one near
    for outside in ((x - 1, y), (x + width - 49, y), (x, y + height - 49)):
        with pytest.raises(ValueError, match="not inside"):
            reader.read(np.array([outside]), 50)


@pytest.mark.parametrize(
    "place",
    [Affine(10, 0, 600_000, 0, 10, 5_490_000),
     Affine.translation(600_000, 5_500_000) @ Affine.rotation(30) @ Affine.scale(10, -10)],
    ids=["south-up", "rotated"],
)  # fmt: skip
def test_transforms_leave_the_pixels_alone(tmp_path, place):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 300)), place=place)
    bounds = TiffReader(path).grid.lonlat_bounds()
    middle = [(2 * low + high) / 3 for low, high in zip(bounds[:2], bounds[2:])]
    reader = assert_reads(path, tmp_path, rect=(*middle, *bounds[2:]))[0]
    assert 100 < reader.window.width < 300


def test_many_threads_read_one_map(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 400)), **TILED)
    for reader in both_ways(path, tmp_path):
        positions = corners_in(reader.window, 40, 30)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(reader.read, [positions] * 8, [40] * 8))
        assert all(np.array_equal(tiles, read_by_rasterio(path, positions, 40)) for tiles in found)


def test_overview_and_no_tiles(tmp_path):
    pixels = noise((3, 300, 3100))
    path = write_map(tmp_path / "a.tif", pixels)
    reader = TiffReader(path, cache=tmp_path / "cache")
    picture, step, corner = reader.overview()
    assert (step, tuple(corner)) == (4, (0, 0))
    assert np.array_equal(picture, pixels[:, ::4, ::4])
    direct, *same = TiffReader(path).overview()
    assert direct.shape == picture.shape and same == [4, corner]
    assert reader.read(np.empty((0, 2), int), 30).shape == (0, 3, 30, 30)
    assert isinstance(MapError("x"), UserError)


def test_a_url_stays_a_url(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((1, 60, 60)))
    reader = TiffReader(f"file://{path}")
    assert np.array_equal(reader.read(np.array([[3, 4]]), 20), read_by_rasterio(path, np.array([[3, 4]]), 20))
    assert reader.fingerprint()["path"] == f"file://{path}"


def test_files_that_are_no_maps(tmp_path):
    with pytest.raises(MapError, match="no such file"):
        TiffReader(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("no raster")
    for path in (tmp_path / "text.tif", tmp_path):
        with pytest.raises(MapError, match="cannot be opened as a raster"):
            TiffReader(path)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_pixels_are_refused_with_the_reason(tmp_path, dtype):
    path = write_map(tmp_path / "a.tif", np.ones((1, 50, 50), dtype))
    with pytest.raises(MapError, match=r"complex numbers.* gdal_calc\.py"):
        TiffReader(path)
