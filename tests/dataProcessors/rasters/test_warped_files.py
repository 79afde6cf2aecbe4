"""Files of several zones and resolutions, warped onto the one grid that the config states."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from maps_for_tests import CORNER, UTM32, around, at, grid_of, looked_up, noise, write_map
from mosaics_for_tests import UTM33, assert_same, composed, whole
from rasterio.crs import CRS

from dataProcessors.rasters import placed_image
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_map import open_image_map
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.mosaic import Mosaic
from dataProcessors.rasters.mosaic_grid import is_same_crs
from dataProcessors.rasters.opening import MapError
from dataProcessors.rasters.placed_image import interpolated


def two_zones(folder: Path) -> list[str]:
    """Files of neighbouring zones that overlap around 12 degrees east, the second one with holes."""
    west = grid_of(90, 70, UTM32, Affine(1000, 0, 660_000, 0, -1000, 5_540_000))
    place, height, width = around(west, UTM33, 1000, (0.4, -0.1, 1.5, 0.9))
    east = noise((2, height, width), seed=2)
    east[:, 10:30, 5:60] = 0
    return [
        str(write_map(folder / "west.tif", noise((2, 70, 90)), place=west.transform)),
        str(write_map(folder / "east.tif", east, UTM33, place, nodata=0)),
    ]


def by_lookup(files, mosaic: Mosaic) -> tuple[np.ndarray, np.ndarray]:
    """As `composed`, for files in other CRSs: each file is transformed on its own."""
    bands = np.zeros((len(mosaic.bands), mosaic.grid.height, mosaic.grid.width), mosaic.dtype)
    valid = np.zeros(bands.shape[1:], bool)
    for path in files[::-1]:
        values, inside = looked_up(path, mosaic.grid)
        with rasterio.open(path) as file:
            inside &= ~(values == file.nodata).all(0) if file.nodata is not None else True
        bands[:, inside], valid[inside] = values[:, inside], True
    return bands, valid


@pytest.mark.parametrize("crs", ["EPSG:3035", "EPSG:4326", "EPSG:32632", "EPSG:32633"])
def test_zones_are_warped_onto_the_grid_that_is_stated(tmp_path, crs):
    files = two_zones(tmp_path)
    mosaic = Mosaic(files, crs=crs)
    assert is_same_crs(CRS.from_string(crs), mosaic.grid)
    assert_same(whole(mosaic), by_lookup(files, mosaic))
    left, bottom, right, top = (round(value, 6) for value in rasterio.transform.array_bounds(
        mosaic.grid.height, mosaic.grid.width, mosaic.grid.transform))  # fmt: skip
    for path in files:
        with rasterio.open(path) as file:
            bounds = rasterio.warp.transform_bounds(file.crs, crs, *file.bounds)
        assert max(left - bounds[0], bottom - bounds[1], bounds[2] - right, bounds[3] - top) <= 1e-6
    if crs == "EPSG:32632":  # the first file's own: its pixels stay
        with rasterio.open(files[0]) as file:
            x, y = ~mosaic.grid.transform @ file.transform @ (0, 0)
            assert np.array_equal(mosaic.read_window(round(x), round(y), 90, 70)[:2], file.read())
    if crs == "EPSG:3035":
        assert (mosaic.grid.transform.a, mosaic.grid.transform.e) == (1000, -1000)


def test_a_single_file_and_other_resolutions_are_warped_too(tmp_path):
    pixels = noise((1, 50, 60))
    path = str(write_map(tmp_path / "a.tif", pixels))
    alone = open_image_map(path, crs="EPSG:32632")
    assert isinstance(alone, Mosaic) and np.array_equal(whole(alone)[0], pixels) and not alone.has_validity
    fine = np.kron(noise((1, 25, 30), seed=1), np.ones((5, 5), np.uint8))
    other = str(write_map(tmp_path / "b.tif", fine, place=at(60, 3) @ Affine.scale(0.2)))
    turned = str(write_map(tmp_path / "c.tif", pixels[:, ::-1], place=at(-60, 50) @ Affine.scale(1, -1)))
    mosaic = Mosaic([path, other, turned], crs="EPSG:32632")
    assert (mosaic.grid.width, mosaic.grid.height) == (150, 50)
    assert_same(whole(mosaic), composed([path, other, turned], mosaic.grid))


def test_a_coarse_grid_reads_a_fine_file_in_parts(tmp_path, monkeypatch):
    coarse = write_map(tmp_path / "a.tif", noise((1, 8, 8)), place=CORNER @ Affine.scale(40))
    fine = write_map(tmp_path / "b.tif", noise((1, 400, 300), seed=1), place=at(320, 0))
    files = [str(coarse), str(fine)]
    monkeypatch.setattr(placed_image, "MAX_SIDE", 100)
    sizes, read = [], ImageSource.read_window

    def measured(self, x, y, width, height):
        sizes.append(width * height)
        return read(self, x, y, width, height)

    mosaic = Mosaic(files, crs="EPSG:32632")
    expected = composed(files, mosaic.grid)
    monkeypatch.setattr(ImageSource, "read_window", measured)
    assert_same(whole(mosaic), expected)
    assert len(sizes) > 10 and max(sizes) <= 100 * 100


@pytest.mark.parametrize("crs", ["EPSG:99999", "nonsense", ""])
def test_a_crs_that_nobody_knows(tmp_path, crs):
    path = write_map(tmp_path / "a.tif", noise((1, 9, 9)))
    with pytest.raises(MapError, match=r"'maps\.crs' is .*, which is no CRS"):
        open_image_map(path, crs=crs)


@pytest.mark.parametrize("crs", ["EPSG:5773", "EPSG:4978"])
def test_a_crs_of_heights_or_around_the_centre_of_the_earth(tmp_path, crs):
    path = str(write_map(tmp_path / "a.tif", noise((1, 9, 9)), UTM32))
    with pytest.raises(MapError, match=f"'maps.crs' is '{crs}', which is no CRS of a plane"):
        open_image_map(path, crs=crs)


def test_a_file_without_crs_cannot_be_warped(tmp_path):
    named, nameless = (str(write_map(tmp_path / f"{crs}.tif", noise((1, 9, 9)), crs)) for crs in (UTM32, None))
    for files in ([nameless], [named, nameless]):
        with pytest.raises(MapError, match=r"None\.tif.* (declares no CRS|is in no CRS)"):
            open_image_map(files, crs="EPSG:3035")


def test_positions_are_interpolated_only_where_that_is_exact():
    window, calls = Window(3, 5, 200, 130), []

    def saddle(x, y, strength=1e-6):  # the curvatures cancel each other in the middle of any square
        calls.append(np.size(x))
        return np.array([x + strength * (x**2 - y**2), y + 2 * strength * x * y])

    x, y = np.meshgrid(window.x + 0.5 + np.arange(200), window.y + 0.5 + np.arange(130))
    for strength, at_most in ((0, 100), (1e-6, 10_000), (1e-2, 60_000)):
        calls.clear()
        found = interpolated(partial(saddle, strength=strength), window)
        assert found.shape == (2, 130, 200) and np.abs(found - saddle(x, y, strength)).max() <= 1e-4
        assert sum(calls[:-1]) <= at_most
    undefined = interpolated(lambda x, y: np.array([np.where(x < 50, np.inf, x), y]), window)
    assert np.array_equal(undefined[0], np.where(x < 50, np.inf, x))
    assert np.allclose(interpolated(saddle, Window(4, 6, 1, 1))[:, 0, 0], saddle(4.5, 6.5), atol=1e-4)
