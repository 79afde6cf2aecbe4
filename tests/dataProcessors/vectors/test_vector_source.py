"""Polygons and points as a label map: against a slow loop over pixel centres, in other CRSs, and what can be wrong."""

import json
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from maps_for_tests import CORNER, LONLAT, UTM32, grid_of, noise, write_map
from rasterio.crs import CRS
from rasterio.warp import transform

from config import LabelFile
from dataProcessors.legends.legend import NO_LABEL, Legend
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import LabelReader, TiffReader
from dataProcessors.vectors.feature_classes import classes_of_legend, own_classes
from dataProcessors.vectors.vector_source import VectorSource, is_vector

LAEA = CRS.from_epsg(3035)
needs_pyogrio = pytest.mark.skipif(
    "not __import__('importlib').util.find_spec('pyogrio')", reason="pyogrio is optional"
)


def to_crs(pixels, crs, grid):
    """Columns and rows (N, 2) of the grid -> x, y (N, 2) in a CRS."""
    x, y = grid.transform @ np.asarray(pixels, float).T
    return np.column_stack(transform(grid.crs, crs, x, y)) if crs != grid.crs else np.column_stack([x, y])


def write_geojson(path, shapes, values, crs=UTM32, grid=None, column="class", kind="Polygon"):
    """Features of rings (n, 2), or of points (2,), in pixels of the grid; None: without geometry."""
    features = []
    for shape, value in zip(shapes, values):
        geometry = None
        if shape is not None:
            places = to_crs(np.atleast_2d(shape), crs, grid or grid_of()).tolist()
            geometry = {
                "type": kind,
                "coordinates": {"Polygon": [places], "Point": places[0], "LineString": places}[kind],
            }
        features.append({"type": "Feature", "geometry": geometry, "properties": {column: value, "other": 1}})
    name = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{crs.to_epsg()}"}}
    content = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": name["properties"]},
        "features": features,
    }
    path.write_text(json.dumps(content))
    return path


def convert(path, target):
    """Write a GeoJSON file in another format."""
    import pyogrio

    about, _, geometry, fields = pyogrio.raw.read(path)
    pyogrio.raw.write(target, geometry, fields, about["fields"], crs=about["crs"], geometry_type=about["geometry_type"])
    return target


def stars(number, grid, seed=0):
    """Polygons with dents of random size and place, in pixels; some reach out of the grid."""
    rng = np.random.default_rng(seed)
    shapes = []
    for _ in range(number):
        centre, radius = rng.uniform(-20, (grid.width + 20, grid.height + 20)), rng.uniform(5, 40)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        reach = radius * rng.uniform(0.3, 1, 9)
        ring = centre + np.column_stack([np.cos(angles), np.sin(angles)]) * reach[:, None]
        shapes.append(np.concatenate([ring, ring[:1]]))
    return shapes


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


def opened(path, grid, column="class", layer=None):
    source = VectorSource(path, grid, layer, column)
    names, codes, classes = own_classes(source.path, source.count_values(grid.window))
    source.set_classes(classes)
    return source, names, codes


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


def write_csv(path, grid, places, values, header="longitude,latitude,class", comma=","):
    lonlat = to_crs(places, LONLAT, grid)
    rows = [comma.join([f"{x:.9f}", f"{y:.9f}", str(value)]) for (x, y), value in zip(lonlat, values)]
    path.write_text("\n".join([header.replace(",", comma), *rows, "", ""]), encoding="utf-8-sig")
    return path


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


@needs_pyogrio
def test_what_has_no_class_or_place_is_counted_and_said(tmp_path, caplog):
    grid = grid_of(60, 50)
    shapes = [*stars(6, grid), None, None]
    path = write_geojson(tmp_path / "l.geojson", shapes, ["a", None, " ", "b", "a", "a", "a", "b"], grid=grid)
    with caplog.at_level("INFO"):
        opened(path, grid)
    assert "8 features" in caplog.text
    assert "2 of 8 features have nothing in the column 'class'" in caplog.text
    assert "2 of 8 features have no geometry" in caplog.text
    lines = write_geojson(tmp_path / "m.geojson", [[(1, 1), (5, 5)]], ["a"], grid=grid, kind="LineString")
    with pytest.raises(MapError, match="none of its 1 features has a class and lies in the part"):
        opened(lines, grid)
    assert "1 of 1 features are lines" in caplog.text


def test_features_elsewhere(tmp_path):
    grid = grid_of(60, 50)
    with pytest.raises(MapError, match="none of its 2 features has a class and lies in the part of the image"):
        opened(write_csv(tmp_path / "p.csv", grid, [(5000, 20), (10, 9000)], ["a", "b"]), grid)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("lon,lat,class\n8,50,a\n", None, r"say which column names the class.*Columns: class\.$"),
        ("lon,lat,class,date\n8,50,a,1\n", "species", r"no column 'species'\. Columns: class, date\.$"),
        ("lat,class\n50,a\n", "class", "no column 'longitude'"),
        ("lon,lat,class\n", "class", "has no points"),
        ("lon,lat,class\n8,x,a\n", "class", "row 1 has the coordinate 'x'"),
        ("lon,lat,class\n500000,5500000,a\n", "class", "must be degrees"),
        ("lon,lat,class\n,,a\n", "class", "none of its 1 features has a class and lies"),
    ],
)
def test_csv_files_that_cannot_be_used(tmp_path, text, column, message):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(MapError, match=message) as error:
        opened(path, grid_of(), column)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@needs_pyogrio
def test_files_that_cannot_be_used(tmp_path):
    grid = grid_of(60, 50)
    path = write_geojson(tmp_path / "l.geojson", stars(3, grid), ["a", "b", "a"], grid=grid)
    with pytest.raises(MapError, match=r"no column 'kind'\. Columns: class, other\."):
        VectorSource(path, grid, None, "kind")
    with pytest.raises(MapError, match=r"say which column names the class.*Columns: class, other\."):
        VectorSource(path, grid)
    with pytest.raises(MapError, match=r"there is no layer 'x'.*Layers: l\."):
        VectorSource(path, grid, "x", "class")
    with pytest.raises(MapError, match="the image declare no CRS, but the features do"):
        VectorSource(path, Grid(None, CORNER, 60, 50), None, "class")
    broken = tmp_path / "broken.gpkg"
    broken.write_bytes(b"no database")
    with pytest.raises(MapError, match="cannot be read as polygons or points"):
        VectorSource(broken, grid, None, "class")
    with pytest.raises(MapError, match="no such file"):
        VectorSource(tmp_path / "none.gpkg", grid, None, "class")


@needs_pyogrio
def test_the_layer_of_several(tmp_path):
    import pyogrio

    grid = grid_of(60, 50)
    path = write_geojson(tmp_path / "l.geojson", stars(3, grid), ["a", "b", "a"], grid=grid)
    about, _, geometry, fields = pyogrio.raw.read(path)
    for layer in ("one", "two"):
        pyogrio.raw.write(tmp_path / "l.gpkg", geometry, fields, about["fields"], crs=about["crs"],
                          geometry_type="Polygon", layer=layer, append=layer == "two")  # fmt: skip
    with pytest.raises(MapError, match=r"say which layer.*Layers: one, two\."):
        VectorSource(tmp_path / "l.gpkg", grid, None, "class")
    assert opened(tmp_path / "l.gpkg", grid, layer="two")[1] == ("a", "b")


def test_without_the_library_one_line_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    path = write_geojson(tmp_path / "l.geojson", stars(1, grid_of()), ["a"])
    with pytest.raises(MapError, match=r"pip install pyogrio==[\d.]+ shapely==[\d.]+$"):
        VectorSource(path, grid_of(), None, "class")


def test_classes_have_one_order_whatever_the_order_of_the_features():
    counts = Counter({"11210": 5, "9": 1, "b": 2, "B": 1, "a": 7, "12100": 1})
    names, codes, classes = own_classes("f", counts)
    assert names == ("9", "11210", "12100", "a", "B", "b") and codes is None
    assert classes["B"] == 4 and own_classes("f", Counter(dict(reversed(counts.items()))))[0] == names
    assert own_classes("f", Counter([3, -1, 20]))[:2] == (("class -1", "class 3", "class 20"), (-1, 3, 20))
    assert own_classes("f", Counter(["3", "1"]))[:2] == (("1", "3"), (1, 3))
    with pytest.raises(MapError, match=r"1 to 254 classes\. Got 255"):
        own_classes("f", Counter(range(255)))


def test_classes_of_a_legend_by_code_or_name(caplog):
    legend = Legend("own", ("forest", "water"), ((0, 9, 0), (0, 0, 9)), (311, 512), ((1, 2),), (48,))
    assert classes_of_legend("f", legend, Counter({"311": 5, "512": 1, 48: 30})) == {"311": 0, "512": 1}
    assert classes_of_legend("f", legend, Counter({1: 5, 2: 1})) == {1: 0, 2: 1}
    assert classes_of_legend("f", legend, Counter({"Forest": 99, "WATER": 1, "x": 2})) == {"Forest": 0, "WATER": 1}
    assert "x (2)" in caplog.text
    with pytest.raises(MapError, match=r"50.0% of the features have a code or name of the legend own. Others: x \(4\)"):
        classes_of_legend("f", legend, Counter({"forest": 4, "x": 4}))


def test_kinds_of_files_by_their_suffix():
    assert all(map(is_vector, ("a.GPKG", "b.geojson", "c.shp", "d.csv", "e.json")))
    assert not any(map(is_vector, ("a.tif", "b.vrt", "https://example.org/c.tif")))


def read_map(folder, file, name="samples", hint=None, cache=None):
    image = TiffReader(write_map(folder / "image.tif", noise((3, 150, 200))))
    return LabelReader(LabelFile(**file), name, image, hint, cache)


@pytest.mark.parametrize("cached", [False, True])
def test_a_map_of_samples_is_read_like_any_label_map(tmp_path, cached):
    grid = grid_of(200, 150)
    places = [(x + 0.5, y + 0.5) for x in range(0, 200, 3) for y in range(0, 150, 3)]
    values = [["oak", "beech"][(int(x) + int(y)) % 2] for x, y in places]
    path = str(write_csv(tmp_path / "p.csv", grid, places, values))
    reader = read_map(tmp_path, {"path": path, "column": "class"}, cache=tmp_path / "cache" if cached else None)
    assert (reader.legend.name, reader.legend.names) == ("samples", ("beech", "oak"))
    assert reader.fingerprint()["synthetic"] is False and reader.fingerprint()["column"] == "class"
    tile = reader.read(np.array([[30, 60]]), 32)[0, 0]
    wanted = {(int(y) - 60, int(x) - 30): int(value == "oak") for (x, y), value in zip(places, values)}
    for (row, column), value in np.ndenumerate(tile):
        assert value == wanted.get((row, column), NO_LABEL)
    assert reader.proportions(np.array([[0, 0], [1, 1]]), 1).tolist() == [[0, 1], [0, 0]]
    assert reader.summary.exact == cached and reader.summary.counts.sum() > 0
    key = reader.key
    write_csv(tmp_path / "p.csv", grid, places[:-1], values[:-1])
    assert read_map(tmp_path, {"path": path, "column": "class"}).key != key


def test_polygons_of_a_known_legend_are_read_by_the_name_of_the_map(tmp_path, legends):
    grid = grid_of(200, 150)
    path = str(write_csv(tmp_path / "clc.csv", grid, [(10.5, 10.5), (20.5, 20.5), (30.5, 30.5)], ["311", "512", "111"]))
    for name, hint in (("corine", None), ("mine", "clc")):
        reader = read_map(tmp_path, {"path": path, "column": "class"}, name, hint)
        assert reader.legend.names == legends["clc"].names
        assert reader.source.read_window(10, 10, 1, 1)[0, 0, 0] == legends["clc"].codes.index(311)
    with pytest.raises(MapError, match=r"0\.0% of the features have a code or name of the legend worldcover"):
        read_map(tmp_path, {"path": path, "column": "class"}, "worldcover")


def test_keys_of_the_other_kind_of_file(tmp_path):
    path = str(write_csv(tmp_path / "p.csv", grid_of(200, 150), [(10.5, 10.5)], ["a"]))
    with pytest.raises(MapError, match=r"remove 'band' from 'maps\.labels'"):
        read_map(tmp_path, {"path": path, "column": "class", "band": 1})
    with pytest.raises(MapError, match=r"remove 'column' from 'maps\.labels'"):
        read_map(tmp_path, {"path": str(tmp_path / "image.tif"), "column": "class"})


def test_a_rotated_grid(tmp_path):
    grid = Grid(UTM32, CORNER @ Affine.rotation(30), 60, 50)
    source, _, _ = opened(write_csv(tmp_path / "p.csv", grid, [(10.5, 20.5), (59.2, 0.2)], ["a", "b"]), grid)
    classes = source.read_window(*grid.window)[0]
    assert (classes[20, 10], classes[0, 59], (classes != NO_LABEL).sum()) == (0, 1, 2)
