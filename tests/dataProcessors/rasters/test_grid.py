"""The image's pixel grid and the window of it that a lon/lat rectangle names."""

import numpy as np
import pytest
from affine import Affine
from maps_for_tests import CORNER, LONLAT, UTM32, grid_of
from rasterio.crs import CRS
from rasterio.warp import transform

from config import UserError
from dataProcessors.rasters.grid import Grid, Window

PLACES = {
    "north-up": CORNER,
    "south-up": Affine(10, 0, 600_000, 0, 10, 5_490_000),
    "rotated": Affine.translation(600_000, 5_500_000) @ Affine.rotation(30) @ Affine.scale(10, -10),
}


def inside_share(grid, window, rect):
    """Share of the window's pixel centres that lie in the rectangle, and the rectangle's pixels outside the window."""
    columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    lon, lat = transform(grid.crs, LONLAT, *(v.ravel() for v in grid.transform @ (columns, rows)))
    west, south, east, north = rect
    lon, lat = (np.array(v).reshape(columns.shape) for v in (lon, lat))
    in_rect = (lon > west) & (lon < east) & (lat > south) & (lat < north)
    x, y, width, height = window
    within = in_rect[y : y + height, x : x + width]
    return within.mean(), in_rect.sum() - within.sum()


def shrunk(bounds, part):
    west, south, east, north = bounds
    return (west + part * (east - west), south + part * (north - south),
            east - part * (east - west), north - part * (north - south))  # fmt: skip


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_window_holds_the_rectangle_and_little_else(place):
    grid = grid_of(400, 300, place=place)
    rect = shrunk(grid.lonlat_bounds(), 0.3)
    window = grid.window_of(rect)
    share, outside = inside_share(grid, window, rect)
    assert outside <= 0.01 * window.width * window.height  # rounding to whole pixels
    assert share > (0.4 if place is PLACES["rotated"] else 0.9)  # the smallest upright window around it


def test_the_edges_of_a_wide_rectangle_are_curves():
    """In Europe's Lambert projection a parallel bends by many pixels: corners alone would cut it off."""
    grid = Grid(CRS.from_epsg(3035), Affine(1000, 0, 3_900_000, 0, -1000, 3_700_000), 900, 1100)
    window = grid.window_of((6, 48, 15, 54))
    assert inside_share(grid, window, (6, 48, 15, 54))[1] <= 1.5 * (window.width + window.height)
    corner_rows = [row for lon in (6, 15) for row in grid.pixels_of(LONLAT, [lon], [48])[1]]
    assert window.y + window.height > max(corner_rows) + 3


def test_whole_image():
    grid = grid_of(300, 200)
    assert grid.window_of(None) == Window(0, 0, 300, 200)
    assert grid.window_of((5, 40, 15, 60)) == Window(0, 0, 300, 200)


@pytest.mark.parametrize("crs", [32632, 3035, 3857, 4326])
def test_the_whole_world_is_the_whole_image(crs):
    """Far from the image its CRS folds back or ends; that must not cut the image."""
    x, y = (v[0] for v in transform(LONLAT, CRS.from_epsg(crs), [10.4], [49.6]))
    pixel = 0.0001 if crs == 4326 else 10
    grid = Grid(CRS.from_epsg(crs), Affine(pixel, 0, x, 0, -pixel, y), 300, 200)
    assert grid.window_of((-180, -90, 180, 90)) == grid.window
    assert grid.window_of((-180, -90, 10.41, 90)).width < 300


def test_a_map_around_a_pole():
    grid = Grid(CRS.from_epsg(3031), Affine(20_000, 0, -3_000_000, 0, -20_000, 3_000_000), 300, 300)
    assert grid.window_of((-180, -90, 180, -50)) == grid.window


def over_the_antimeridian() -> Grid:
    """100 km of Fiji on both sides of it, in a zone whose coordinates mean nothing on the other side of the Earth."""
    x, y = (v[0] for v in transform(LONLAT, CRS.from_epsg(32760), [180], [-17.5]))
    return Grid(CRS.from_epsg(32760), Affine(100, 0, x - 50_000, 0, -100, y + 100_000), 1000, 2000)


@pytest.mark.parametrize(("west", "east"), [(-180, 180), (179.8, 180), (-180, -179.8), (179, 179.9)])
def test_a_rectangle_of_a_map_over_the_antimeridian(west, east):
    grid = over_the_antimeridian()
    assert grid.lonlat_bounds() == pytest.approx((179.52, -18.42, 180.48, -16.59), abs=0.02)
    x, y, width, height = grid.window_of((west, -17.6, east, -17.4))
    rows, columns = np.indices((grid.height, grid.width)).reshape(2, -1)[:, ::97]
    lon, lat = grid.lonlat(np.stack([columns, rows], 1) + 0.5).T
    inside = (lon >= west) & (lon <= east) & (lat >= -17.6) & (lat <= -17.4)
    assert abs(columns[inside].min() - x) <= 3 and abs(columns[inside].max() + 1 - x - width) <= 3
    assert abs(rows[inside].min() - y) <= 3 and abs(rows[inside].max() + 1 - y - height) <= 3


def test_longitudes_from_0_to_360():
    grid = Grid(LONLAT, Affine(0.5, 0, 0, 0, -0.5, 90), 720, 360)
    assert grid.window_of((-170, 0, -160, 10)) == Window(380, 160, 20, 20)
    assert grid.window_of((10, 0, 20, 10)) == Window(20, 160, 20, 20)
    with pytest.raises(UserError, match=r"lies at both ends of the image, which covers \[0\.0000, .* 360\.0000"):
        grid.window_of((-10, 0, 10, 10))
    places = grid.lonlat(np.array([[0, 0], [20, 180], [360, 180], [361, 180], [719, 360]]))
    assert places.tolist() == [[0, 90], [10, 0], [180, 0], [-179.5, 0], [-0.5, -90]]


def test_lonlat_image_cuts_exactly():
    grid = Grid(LONLAT, Affine(0.01, 0, 10, 0, -0.01, 50), 200, 100)
    assert grid.window_of((10.5, 49.25, 11, 49.75)) == Window(50, 25, 50, 50)
    assert grid.window_of((9, 49.25, 10.3, 51)) == Window(0, 0, 30, 75)


@pytest.mark.parametrize("rect", [(20, 40, 21, 41), (9, 49, 9.1, 49.1), (-120, 35, -110, 40)])
def test_outside(rect):
    with pytest.raises(UserError, match=r"lies outside the image\. The image covers"):
        grid_of().window_of(rect)


def test_an_image_without_crs_has_no_rectangles():
    with pytest.raises(UserError, match="declares no CRS"):
        grid_of(crs=None).window_of((5, 40, 15, 60))
    assert grid_of(crs=None).window_of(None) == Window(0, 0, 300, 200)


def test_pixels_of_points_in_another_crs():
    grid = grid_of()
    lon, lat = transform(UTM32, LONLAT, [600_105.0], [5_499_795.0])
    columns, rows = grid.pixels_of(LONLAT, lon, lat)
    assert np.allclose([columns[0], rows[0]], [10.5, 20.5], atol=1e-3)
    assert grid.pixels_of(None, np.array([600_105.0]), np.array([5_499_795.0])) == ([10.5], [20.5])


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_longitude_and_latitude_of_points(place):
    grid = grid_of(place=place)
    points = np.array([[0, 0], [10.5, 20.5], [299, 3]])
    lon, lat = transform(grid.crs, LONLAT, *(grid.transform @ tuple(points.T)))
    assert np.allclose(grid.lonlat(points), np.column_stack([lon, lat]))
    assert np.allclose(np.column_stack(grid.pixels_of(LONLAT, lon, lat)), points, atol=1e-3)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_part_of_a_grid(place):
    grid = grid_of(place=place)
    part = grid.part(Window(20, 30, 50, 40))
    assert (part.width, part.height, part.crs) == (50, 40, grid.crs)
    assert np.allclose(part.transform @ (3, 4), grid.transform @ (23, 34))


@pytest.mark.parametrize("crs", [None, CRS.from_wkt('LOCAL_CS["arbitrary",UNIT["metre",1]]')])
def test_points_of_a_grid_that_is_nowhere_on_earth_have_no_place(crs):
    assert np.isnan(grid_of(crs=crs).lonlat(np.zeros((2, 2)))).all()


def test_points_that_a_crs_is_not_made_for_leave_the_others_as_they_are():
    """rasterio raises for all points where one of them cannot be transformed."""
    grid = Grid(CRS.from_epsg(32733), Affine(100, 0, 500_000, 0, -100, 9_950_000), 256, 256)
    lon, lat = np.random.default_rng(0).uniform((14, -3), (16, 1), (60, 2)).T
    expected = grid.pixels_of(LONLAT, lon, lat)
    far = np.isin(np.arange(60), (0, 7, 8, 31, 59))
    columns, rows = grid.pixels_of(LONLAT, np.where(far, 104, lon), np.where(far, 0, lat))
    assert not np.isfinite(columns[far]).any() and not np.isfinite(rows[far]).any()
    for found, wanted in zip((columns, rows), expected):
        np.testing.assert_allclose(found[~far], wanted[~far], rtol=1e-12)
    assert not np.isfinite(grid.pixels_of(LONLAT, np.full(3, 104.0), np.zeros(3))).any()


@pytest.mark.parametrize("crs", ["ESRI:54009", "+proj=geos +h=35785831 +sweep=y"])
def test_a_map_with_corners_off_the_globe_has_rectangles(crs):
    """All of the Earth in Mollweide's ellipse, and the full disk of a geostationary satellite."""
    side = 18_040_096 if crs.startswith("ESRI") else 5_500_000
    grid = Grid(CRS.from_user_input(crs), Affine(side / 90, 0, -side, 0, -side / 90, side), 180, 180)
    x, y, width, height = grid.window_of((-5, 40, 10, 50))
    assert 0 < x < x + width < 180 and 0 < y < y + height < 90
    column, row = grid.pixels_of(LONLAT, np.array([2.5]), np.array([45.0]))
    assert x < column[0] < x + width and y < row[0] < y + height
    assert grid.lonlat_bounds()[0] < -60
