"""Polygons and points as a label map: against a slow loop over pixel centres, and in other CRSs."""

import json
import sys
from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from maps_for_tests import CORNER, LONLAT, UTM32, grid_of
from rasterio.crs import CRS
from vectors_for_tests import needs_pyogrio, opened, stars, to_crs, write_csv, write_geojson

from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.grid import Grid, Window

LAEA = CRS.from_epsg(3035)


def convert(path, target):
    """Write a GeoJSON file in another format."""
    import pyogrio

    about, _, geometry, fields = pyogrio.raw.read(path)
    pyogrio.raw.write(target, geometry, fields, about["fields"], crs=about["crs"], geometry_type=about["geometry_type"])
    return target


def contains(ring, x, y):
    """Point in polygon by counting edges to the right of it."""
    inside = False
    for (x0, y0), (x1, y1) in pairwise(ring):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            inside = not inside
    return inside


def drawn_slowly(shapes, indices, window):
    """Class of each pixel centre: that of the last polygon that contains it."""
    x0, y0, width, height = window
    classes = np.full((height, width), NO_LABEL, np.uint8)
    for ring, index in zip(shapes, indices):
        left, top = np.maximum(np.floor(ring.min(0)).astype(int) - (x0, y0), 0)
        right, bottom = np.minimum(np.ceil(ring.max(0)).astype(int) - (x0, y0), (width, height))
        for row in range(top, bottom):
            for column in range(left, right):
                if contains(ring, column + x0 + 0.5, row + y0 + 0.5):
                    classes[row, column] = index
    return classes


@needs_pyogrio
@pytest.mark.parametrize("suffix", ["geojson", "gpkg", "shp"])
def test_polygons_equal_a_slow_loop(tmp_path, suffix):
    grid = grid_of(120, 90)
    shapes = stars(40, grid)
    values = [["wood", "water", "field"][i % 3] for i in range(40)]
    path = write_geojson(tmp_path / "labels.geojson", shapes, values, grid=grid)
    if suffix != "geojson":
        path = convert(path, tmp_path / f"labels.{suffix}")
    source, names, codes = opened(path, grid)
    assert (names, codes) == (("field", "water", "wood"), None)
    wanted = drawn_slowly(shapes, [names.index(value) for value in values], grid.window)
    assert len(np.unique(wanted)) == 4
    assert np.array_equal(source.read_window(*grid.window)[0], wanted)


@needs_pyogrio
def test_parts_of_a_map_do_not_depend_on_their_borders(tmp_path):
    grid = grid_of(200, 150)
    shapes = stars(60, grid, seed=1)
    path = write_geojson(tmp_path / "labels.geojson", shapes, list(range(60)), grid=grid)
    source, names, codes = opened(convert(path, tmp_path / "labels.gpkg"), grid)
    assert codes == tuple(range(60)) and names[7] == "class 7"
    whole = source.read_window(*grid.window)[0]
    rng = np.random.default_rng(0)
    for _ in range(20):
        (x, y), (width, height) = rng.integers(0, (150, 100)), rng.integers(1, 50, 2)
        part = source.read_window(int(x), int(y), int(width), int(height))
        assert part.shape == (1, height, width) and np.array_equal(part[0], whole[y : y + height, x : x + width])
    assert np.array_equal(source.read_window(*grid.window)[0], whole)


@needs_pyogrio
@pytest.mark.parametrize("crs", [LONLAT, LAEA])
def test_polygons_of_another_crs(tmp_path, crs):
    grid = grid_of(100, 80)
    shapes = stars(25, grid, seed=2)
    path = write_geojson(tmp_path / "labels.geojson", shapes, [i % 4 for i in range(25)], crs, grid)
    source, _, _ = opened(path, grid)
    wanted = drawn_slowly(shapes, [i % 4 for i in range(25)], grid.window)
    assert (
        source.read_window(*grid.window)[0] != wanted
    ).mean() < 0.001  # centres that lie on an edge but for rounding


@needs_pyogrio
def test_holes_parts_and_later_polygons(tmp_path):
    """A polygon of two parts, one with a hole; then a later one above it."""
    grid = grid_of(40, 20)
    square = np.array([(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)], float)
    rings = [[square, square * 0.4 + 3], [square + (20, 0)]]
    polygons = [[to_crs(ring, UTM32, grid).tolist() for ring in part] for part in rings]
    above = [to_crs(square + (25, 5), UTM32, grid).tolist()]
    features = [
        {"type": "Feature", "properties": {"class": name}, "geometry": {"type": kind, "coordinates": coordinates}}
        for name, kind, coordinates in (("a", "MultiPolygon", polygons), ("b", "Polygon", above))
    ]
    name = {"name": "urn:ogc:def:crs:EPSG::32632"}
    content = {"type": "FeatureCollection", "crs": {"type": "name", "properties": name}, "features": features}
    (tmp_path / "l.json").write_text(json.dumps(content))
    wanted = np.full((20, 40), NO_LABEL, np.uint8)
    wanted[0:10, 0:10] = wanted[0:10, 20:30] = 0
    wanted[3:7, 3:7] = NO_LABEL
    wanted[5:15, 25:35] = 1
    assert np.array_equal(opened(tmp_path / "l.json", grid)[0].read_window(*grid.window)[0], wanted)


@needs_pyogrio
@pytest.mark.parametrize("suffix", ["geojson", "gpkg"])
def test_later_polygons_count_whatever_numbers_a_file_gives_them(tmp_path, suffix):
    """GeoJSON may give its features numbers in any order; other files number them in theirs."""
    grid = grid_of(120, 90)
    shapes, values = stars(40, grid, seed=4), [i % 5 for i in range(40)]
    path = write_geojson(tmp_path / "labels.geojson", shapes, values, grid=grid)
    content = json.loads(path.read_text())
    for feature, number in zip(content["features"], np.random.default_rng(0).permutation(40).tolist()):
        feature["id"] = number
    path.write_text(json.dumps(content))
    if suffix != "geojson":
        path = convert(path, tmp_path / f"labels.{suffix}")
    wanted = drawn_slowly(shapes, values, grid.window)
    for window in (grid.window, Window(30, 20, 50, 60)):  # where a part is read, an index may give another order
        x, y, width, height = window
        assert np.array_equal(opened(path, grid)[0].read_window(*window)[0], wanted[y : y + height, x : x + width])


@needs_pyogrio
def test_points_label_one_pixel(tmp_path):
    grid = grid_of(60, 50)
    places = np.random.default_rng(3).uniform((-5, -5), (65, 55), (200, 2))
    values = [i % 5 for i in range(200)]
    wanted = np.full((50, 60), NO_LABEL, np.uint8)
    for (x, y), value in zip(places, values):
        if 0 <= x < 60 and 0 <= y < 50:
            wanted[int(y), int(x)] = value
    path = write_geojson(tmp_path / "p.geojson", places, values, grid=grid, kind="Point")
    assert np.array_equal(opened(path, grid)[0].read_window(*grid.window)[0], wanted)


@pytest.mark.parametrize(
    ("header", "comma"), [("longitude,latitude,class", ","), ("LON,Lat,Class", ";"), ("x,y,class", "\t")]
)
def test_points_of_a_csv_file_need_no_library(tmp_path, monkeypatch, header, comma):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    grid = grid_of(60, 50)
    places = [(0.5, 0.5), (59.5, 49.5), (10.2, 20.9), (10.9, 20.1), (-3, 5), (7, 70)]
    path = write_csv(tmp_path / "p.csv", grid, places, ["oak", "beech", "oak", "ash", "ash", "elm"], header, comma)
    source, names, _ = opened(path, grid)
    assert names == ("ash", "beech", "elm", "oak")
    wanted = np.full((50, 60), NO_LABEL, np.uint8)
    wanted[0, 0], wanted[49, 59], wanted[20, 10] = 3, 1, 0
    assert np.array_equal(source.read_window(*grid.window)[0], wanted)
    assert source.read_window(10, 20, 1, 1).tolist() == [[[0]]]


def test_decimated_points_are_still_there(tmp_path):
    grid = grid_of(60, 50)
    source, _, _ = opened(write_csv(tmp_path / "p.csv", grid, [(17, 33.5), (59.5, 49.5)], ["a", "b"]), grid)
    small = source.read_decimated(Window(1, 1, 59, 49), 16)
    assert small.shape == (1, 4, 4) and small[0, 2, 1] == 0 and small[0, 3, 3] == 1
    assert (small != NO_LABEL).sum() == 2


def test_a_rotated_grid(tmp_path):
    grid = Grid(UTM32, CORNER @ Affine.rotation(30), 60, 50)
    source, _, _ = opened(write_csv(tmp_path / "p.csv", grid, [(10.5, 20.5), (59.2, 0.2)], ["a", "b"]), grid)
    classes = source.read_window(*grid.window)[0]
    assert (classes[20, 10], classes[0, 59], (classes != NO_LABEL).sum()) == (0, 1, 2)


@needs_pyogrio
@pytest.mark.parametrize("crs", [32733, 3857])
def test_a_feature_with_parts_at_the_other_end_of_the_world(tmp_path, crs):
    """Polygons that were dissolved by class; the far part is where the image's CRS is not defined."""
    grid = Grid(CRS.from_epsg(crs), Affine(100, 0, 500_000, 0, -100, 9_950_000 if crs == 32733 else 5_500_000), 60, 50)
    west, south, east, north = grid.lonlat_bounds()
    middle = (west + east) / 2
    boxes = [(west - 1, south - 1, middle, north + 1), (99, -2, 104, 2), (-180, -90, 180, -80)]
    parts = [[[(x, y) for x, y in ((a, b), (c, b), (c, d), (a, d), (a, b))]] for a, b, c, d in boxes]
    features = [
        {"type": "Feature", "properties": {"class": name}, "geometry": {"type": "MultiPolygon", "coordinates": shape}}
        for name, shape in (("near and far", parts), ("far", parts[1:]))
    ]
    path = tmp_path / "l.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    classes = opened(path, grid)[0].read_window(*grid.window)[0]
    columns, rows = np.meshgrid(np.arange(60) + 0.5, np.arange(50) + 0.5)
    lon = grid.lonlat(np.column_stack([columns.ravel(), rows.ravel()]))[:, 0].reshape(50, 60)
    sure = np.abs(lon - middle) > 0.001  # edges are straight in the image's CRS
    assert np.array_equal(classes[sure] == 1, lon[sure] < middle) and (classes[sure] != 0).all()
