"""Files of polygons and points: their layers and columns, and what is told of those that cannot be used."""

import sys

import pytest
from maps_for_tests import CORNER, grid_of
from vectors_for_tests import needs_pyogrio, opened, read_map, stars, write_csv, write_geojson

from dataProcessors.rasters.grid import Grid
from dataProcessors.rasters.opening import MapError
from dataProcessors.vectors.vector_source import VectorSource, is_vector


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
