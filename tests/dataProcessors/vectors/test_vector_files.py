"""Files of polygons and points: their layers and columns, and what is told of those that cannot be used."""

import os
import subprocess
import sys

import numpy as np
import pytest
from maps_for_tests import CORNER, grid_of
from vectors_for_tests import needs_pyogrio, opened, read_map, stars, write_csv, write_geojson

from dataProcessors.rasters.grid import Grid
from dataProcessors.rasters.opening import MapError
from dataProcessors.vectors.vector_source import VectorSource, is_vector

EDITOR = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("pragma journal_mode=wal")
print("in WAL mode", flush=True)
sys.stdin.readline()
connection.execute("update l set class = case class when 'a' then 'b' else 'a' end")
connection.commit()
print("changed", flush=True)
sys.stdin.readline()
"""


def test_kinds_of_files_by_their_suffix():
    assert all(map(is_vector, ("a.GPKG", "b.geojson", "c.shp", "d.csv", "e.json")))
    assert not any(map(is_vector, ("a.tif", "b.vrt", "https://example.org/c.tif")))


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


def test_keys_of_the_other_kind_of_file(tmp_path):
    path = str(write_csv(tmp_path / "p.csv", grid_of(200, 150), [(10.5, 10.5)], ["a"]))
    with pytest.raises(MapError, match=r"remove 'band' from 'maps\.labels'"):
        read_map(tmp_path, {"path": path, "column": "class", "band": 1})
    with pytest.raises(MapError, match=r"remove 'column' from 'maps\.labels'"):
        read_map(tmp_path, {"path": str(tmp_path / "image.tif"), "column": "class"})


def test_without_the_library_one_line_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    path = write_geojson(tmp_path / "l.geojson", stars(1, grid_of()), ["a"])
    with pytest.raises(MapError, match=r"pip install pyogrio==[\d.]+ shapely==[\d.]+$"):
        VectorSource(path, grid_of(), None, "class")


@needs_pyogrio
def test_a_column_of_lists_names_no_class(tmp_path):
    grid = grid_of(60, 50)
    path = write_geojson(tmp_path / "l.geojson", stars(3, grid), [["a", "b"], ["c"], ["a"]], grid=grid)
    with pytest.raises(MapError, match=r"l\.geojson: The column of classes holds lists, such as \['a', 'b'\]\."):
        opened(path, grid)


def test_whole_numbers_of_a_csv_file_are_codes_however_they_are_written(tmp_path):
    grid, places = grid_of(60, 50), [(5, 5), (9, 9), (20, 20), (30, 30), (40, 40)]
    path = write_csv(tmp_path / "p.csv", grid, places, ["100.0", "20.0", "", "100", "20.00"])
    assert opened(path, grid)[1:] == (("20", "100"), (20, 100))
    path = write_csv(tmp_path / "p.csv", grid, places, ["1.5", "a.0", "x.", "1e3", "01"])
    assert opened(path, grid)[1] == ("01", "1.5", "1e3", "a.0", "x.")


@needs_pyogrio
def test_changes_that_lie_beside_a_geopackage_are_another_map(tmp_path):
    """As long as a program has the file open, what it changes is in a file of its own (SQLite's write-ahead log)."""
    import pyogrio

    grid = grid_of(60, 50)
    path = write_geojson(tmp_path / "l.geojson", stars(2, grid), ["a", "b"], grid=grid)
    about, _, geometry, fields = pyogrio.raw.read(path)
    package = tmp_path / "l.gpkg"
    pyogrio.raw.write(package, geometry, fields, about["fields"], crs=about["crs"], geometry_type="Polygon",
                      SPATIAL_INDEX="NO")  # fmt: skip
    before = opened(package, grid)[0]
    drawn = before.read_window(*grid.window)
    command = [sys.executable, "-c", EDITOR, str(package)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as editor:
        assert editor.stdout.readline() == b"in WAL mode\n"
        opened(package, grid)
        unchanged = package.read_bytes()
        editor.stdin.write(b"\n")
        editor.stdin.flush()
        assert editor.stdout.readline() == b"changed\n"
        after = opened(package, grid)[0]
        assert package.read_bytes() == unchanged
        editor.communicate(b"\n")
    assert before.read_settings != after.read_settings
    assert not np.array_equal(drawn, after.read_window(*grid.window))


@needs_pyogrio
@pytest.mark.parametrize("upper", [False, True])
def test_the_table_of_a_shapefile_is_a_part_of_it(tmp_path, upper):
    import pyogrio

    grid = grid_of(60, 50)
    about, _, geometry, fields = pyogrio.raw.read(
        write_geojson(tmp_path / "l.geojson", stars(2, grid), ["a", "b"], grid=grid)
    )
    pyogrio.raw.write(tmp_path / "l.shp", geometry, fields, about["fields"], crs=about["crs"], geometry_type="Polygon")
    path = tmp_path / "l.shp"
    if upper:
        for each in tmp_path.glob("l.*"):
            each.rename(each.with_name(each.name.upper()))
        path = tmp_path / "L.SHP"
    before = VectorSource(path, grid, None, "class").read_settings
    table = path.with_suffix(".DBF" if upper else ".dbf")
    os.utime(table, ns=(1, 1))
    assert VectorSource(path, grid, None, "class").read_settings != before
