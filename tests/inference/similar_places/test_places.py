"""Tiles at places and of image files: where they lie, and what is said about those that cannot be used."""

import logging

import numpy as np
import pytest
from affine import Affine
from maps_for_tests import CORNER, noise, write_map
from searches_for_tests import run_of

from config import UserError
from dataProcessors.rasters.opening import MapError
from dataProcessors.sampling.nodata_limit import NodataLimit
from dataProcessors.tiffreader import TiffReader
from inference.similar_places.places import positions_at, tile_of_file

SIZE = 16


def limit_of(image: TiffReader) -> NodataLimit:
    return NodataLimit(image.summary, SIZE, 0.1, lambda positions: image.nodata_share(positions, SIZE))


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> TiffReader:
    """A map of 200 x 300 pixels; columns 100 to 149 hold no data."""
    pixels = noise((3, 300, 200)).clip(1)
    pixels[:, :, 100:150] = 0
    return TiffReader(write_map(tmp_path_factory.mktemp("map") / "image.tif", pixels, nodata=0))


def at(image, *centres):
    """Longitude and latitude of points (column, row) of a map."""
    return [tuple(each) for each in image.source.grid.lonlat(np.array(centres, float)).tolist()]


@pytest.mark.parametrize("size", [16, 15])
def test_the_centre_of_a_tile_leads_back_to_it(image, size):
    positions = np.array([[0, 0], [37, 191], [60, 250], [184, 284]])
    limit = NodataLimit(image.summary, size, 0.1, lambda positions: image.nodata_share(positions, size))
    places = at(image, *(positions + size / 2))
    assert np.array_equal(positions_at(places, image, limit), positions)


def test_no_place_has_no_position(image):
    assert positions_at([], image, limit_of(image)).shape == (0, 2)


def test_a_tile_at_the_edge_is_moved_inside_and_that_is_said(image, caplog):
    caplog.set_level(logging.INFO)
    places = at(image, (1, 50), (50, 50), (199, 299))
    assert positions_at(places, image, limit_of(image)).tolist() == [[0, 42], [42, 42], [184, 284]]
    moved = ", ".join(f"{lon:g} {lat:g}" for lon, lat in (places[0], places[2]))
    assert f"the tile around {moved} reaches beyond the part of the map in use, and is moved inside" in caplog.text


def test_the_part_in_use_ends_where_the_rectangle_ends(image):
    west, south, east, north = image.source.grid.lonlat_bounds()
    part = TiffReader(image.path, nodata=0, rect=(west, south, (west + east) / 2, (south + north) / 2))
    x, y, width, height = part.window
    inside, outside = at(image, (x + width / 4, y + height / 2), (x + width / 2, y - 20))
    assert len(positions_at([inside], part, limit_of(part))) == 1
    with pytest.raises(UserError) as error:
        positions_at([inside, outside, (120, 30), (0, 95)], part, limit_of(part))
    assert f"{outside[0]:g} {outside[1]:g}, 120 30, 0 95 lies outside" in str(error.value)
    bounds = part.source.grid.part(part.window).lonlat_bounds()
    assert f"longitude {bounds[0]:.4f} to {bounds[2]:.4f}, latitude {bounds[1]:.4f} to {bounds[3]:.4f}" in str(
        error.value
    )
    assert bounds[0] == pytest.approx(west, abs=1e-3)
    assert bounds[3] == pytest.approx((south + north) / 2, abs=1e-3)


def test_a_place_without_enough_data_is_refused(image):
    with_data, empty = at(image, (50, 50), (125, 50))
    with pytest.raises(UserError, match=rf"at {empty[0]:g} {empty[1]:g} more than 10% of a tile"):
        positions_at([with_data, empty], image, limit_of(image))


def test_a_map_without_crs_has_no_places(tmp_path):
    image = TiffReader(write_map(tmp_path / "image.tif", noise((3, 64, 64)), crs=None))
    with pytest.raises(UserError, match=r"declares no CRS.*--tile"):
        positions_at([(9, 50)], image, limit_of(image))


def test_the_middle_of_a_file_is_the_tile(image, tmp_path):
    pixels = noise((3, 21, 40), seed=3).clip(1)
    tile = tile_of_file(write_map(tmp_path / "tile.tif", pixels), image, run_of(tmp_path, SIZE))
    assert np.array_equal(tile[:3], pixels[:, 2:18, 12:28])
    assert np.array_equal(tile[3], np.ones((SIZE, SIZE)))  # the map's tiles have a validity


def test_a_file_is_read_with_the_bands_and_the_nodata_of_the_map(tmp_path):
    image = TiffReader(write_map(tmp_path / "image.tif", noise((5, 64, 64))), bands=[3, 1])
    path = write_map(tmp_path / "tile.tif", noise((5, 16, 16), seed=1).clip(8))
    run = run_of(tmp_path, SIZE, bands=[3, 1], nodata=7)
    tile = tile_of_file(path, image, run)
    assert np.array_equal(tile[:2], TiffReader(path, bands=[3, 1]).read(np.zeros((1, 2)), SIZE)[0])
    empty = write_map(tmp_path / "empty.tif", np.full((5, 16, 16), 7, np.uint8))
    with pytest.raises(UserError, match="more than 10% of its middle"):
        tile_of_file(empty, image, run)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (noise((1, 16, 16)), "has 1 bands of uint8, and .* 3 of uint8"),
        (noise((3, 16, 16), "uint16"), "has 3 bands of uint16"),
        (noise((3, 15, 40)), "has 40 x 15 pixels, less than a tile of 16 x 16"),
    ],
)
def test_files_that_cannot_be_used(image, tmp_path, pixels, message):
    path = write_map(tmp_path / "tile.tif", pixels)
    with pytest.raises(UserError, match=message):
        tile_of_file(path, image, run_of(tmp_path, SIZE))


def test_a_file_that_is_missing_or_no_image(image, tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        tile_of_file(tmp_path / "tile.tif", image, run_of(tmp_path, SIZE))
    (tmp_path / "tile.tif").write_text("nothing")
    with pytest.raises(MapError, match="cannot be opened"):
        tile_of_file(tmp_path / "tile.tif", image, run_of(tmp_path, SIZE))


@pytest.mark.parametrize(("pixel", "is_said"), [(10, False), (11, False), (30, True)])
def test_pixels_of_another_size_are_warned_of(image, tmp_path, caplog, pixel, is_said):
    place = CORNER @ Affine.scale(pixel / 10)
    tile_of_file(write_map(tmp_path / "tile.tif", noise((3, 16, 16)), place=place), image, run_of(tmp_path, SIZE))
    assert ("what the network sees in them differs" in caplog.text) == is_said
