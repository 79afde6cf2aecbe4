"""Attribute tables and colours beside a raster."""

import logging

import numpy as np
import pytest
import shapefile
from maps_for_tests import noise, patches, write_map

from dataProcessors.class_tables.class_names import category_names_xml
from dataProcessors.class_tables.clr_table import clr_colours, clr_names
from dataProcessors.class_tables.side_files import find_side_file
from dataProcessors.class_tables.vat_table import vat_colours, vat_names
from dataProcessors.label_reader import LabelReader
from dataProcessors.legends.legend import builtin_legends
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader

CLASSES = [(1, "forêt"), (12, "prés"), (255, "outside")]


def write_table(path, columns, rows, encoding="utf-8"):
    """A .dbf of columns (name, type, length, decimals)."""
    with open(path, "wb") as stream, shapefile.Writer(dbf=stream, encoding=encoding) as table:
        for column in columns:
            table.field(*column)
        for row in rows:
            table.record(*row)
    return path


def names_table(path, value="Value", name="Class_Name", rows=CLASSES, encoding="utf-8"):
    return write_table(path, [(value, "N", 9, 0), ("Count", "N", 19, 3), (name, "C", 80)],
                       [(code, 7.0, text) for code, text in rows], encoding)  # fmt: skip


@pytest.mark.parametrize("name", ["map.tif.vat.dbf", "map.vat.dbf", "MAP.TIF.VAT.DBF", "Map.tif.Vat.dbf"])
def test_names_of_a_table_whatever_its_name(tmp_path, name):
    names_table(tmp_path / name)
    assert vat_names(str(tmp_path / "map.tif")) == dict(CLASSES)
    assert vat_names(str(tmp_path / "map.vrt")) == dict(CLASSES)
    assert vat_names(str(tmp_path / "other.tif")) == {}


def test_the_nearest_name_is_taken_and_remote_files_have_none(tmp_path):
    for name in ("a.tif.vat.dbf", "a.vat.dbf", "b.tif.vat.dbf"):
        (tmp_path / name).touch()
    assert find_side_file(str(tmp_path / "a.tif"), ".vat.dbf").name == "a.tif.vat.dbf"
    assert find_side_file(str(tmp_path / "a.img"), ".vat.dbf").name == "a.vat.dbf"
    assert find_side_file("https://example.org/a.tif", ".vat.dbf") is None


@pytest.mark.parametrize(("value", "name"), [("VALUE", "LABEL3"), ("value", "CLASS"), ("Value", "Descriptio")])
def test_columns_are_found_by_their_names(tmp_path, value, name):
    names_table(tmp_path / "m.vat.dbf", value, name)
    assert vat_names(str(tmp_path / "m.tif")) == dict(CLASSES)


def test_the_third_label_of_corine_names_its_classes(tmp_path):
    columns = [("Value", "N", 9, 0), *((f"LABEL{level}", "C", 40) for level in (1, 2, 3))]
    write_table(tmp_path / "m.tif.vat.dbf", columns, [(1, "artificial", "urban", "continuous urban fabric")])
    assert vat_names(str(tmp_path / "m.tif")) == {1: "continuous urban fabric"}


@pytest.mark.parametrize(
    ("encoding", "stated"), [("latin-1", None), ("cp1252", "1252"), ("utf-8", "UTF-8"), ("latin-1", "?")]
)
def test_names_in_any_encoding(tmp_path, encoding, stated):
    names_table(tmp_path / "m.tif.vat.dbf", encoding=encoding)
    if stated:
        (tmp_path / "m.tif.vat.cpg").write_text(stated)
    assert vat_names(str(tmp_path / "m.tif")) == dict(CLASSES)


def test_a_table_without_names_is_said_not_to_be_understood(tmp_path, caplog):
    names_table(tmp_path / "m.vat.dbf", name="Remark")
    assert vat_names(str(tmp_path / "m.tif")) == {}
    assert "not understood" in caplog.text and "Value, Count, Remark" in caplog.text


@pytest.mark.parametrize("size", [0, 5, 40, 150, -100])
def test_a_damaged_table_is_one_line(tmp_path, size):
    path = names_table(tmp_path / "m.vat.dbf")
    path.write_bytes(path.read_bytes()[:size])
    for read in (vat_names, vat_colours):
        with pytest.raises(
            MapError, match=r"m\.vat\.dbf: the attribute table is damaged \(.+\)\. Copy it again"
        ) as error:
            read(str(tmp_path / "m.tif"))
        assert "\n" not in str(error.value)


def test_values_that_are_no_whole_numbers(tmp_path):
    write_table(tmp_path / "m.vat.dbf", [("Value", "N", 9, 2), ("Class", "C", 9)], [(1.5, "a")])
    with pytest.raises(MapError, match="whole numbers"):
        vat_names(str(tmp_path / "m.tif"))


@pytest.mark.parametrize(
    ("kind", "colours"), [("N", [(255, 0, 77), (0, 204, 242)]), ("F", [(1.0, 0, 0.302), (0, 0.8, 0.949)])]
)
def test_colours_of_a_table(tmp_path, kind, colours):
    columns = [("VALUE", "N", 9, 0), *((name, kind, 12, 6 if kind == "F" else 0) for name in ("Red", "Green", "Blue"))]
    write_table(tmp_path / "m.vat.dbf", columns, [(code, *colour) for code, colour in zip((3, 4), colours)])
    assert vat_colours(str(tmp_path / "m.tif")) == {3: (255, 0, 77), 4: (0, 204, 242)}
    names_table(tmp_path / "n.vat.dbf")
    assert vat_colours(str(tmp_path / "n.tif")) == vat_colours(str(tmp_path / "none.tif")) == {}


ARCGIS = "1 230 0 77\n  2\t255 0 0  \n\n-128 0 0 0\n"
QGIS = """# QGIS Generated Color Map Export File
INTERPOLATION:EXACT
1,230,0,77,255,Urban fabric, dense
2,255,0,0,255,2
-128,0,0,0,0,none
"""
GRASS = "1 230:0:77\n2 255:0:0\n-128 0:0:0\n"


@pytest.mark.parametrize(("text", "transparent"), [(ARCGIS, False), (QGIS, True), (GRASS, False)])
def test_colours_of_programs(tmp_path, text, transparent):
    (tmp_path / "m.clr").write_text(text)
    rest = {} if transparent else {-128: (0, 0, 0)}
    assert clr_colours(str(tmp_path / "m.tif")) == {1: (230, 0, 77), 2: (255, 0, 0)} | rest
    assert clr_names(str(tmp_path / "m.tif")) == ({1: "Urban fabric, dense", -128: "none"} if transparent else {})
    assert clr_colours(str(tmp_path / "other.tif")) == {}


@pytest.mark.parametrize("line", ["a 1 2 3", "1 2 3", "1 2 3 256", "1.5 1 2 3", "\0\1\2", "inf 1 2 3", "50% 0 0 0"])
def test_a_file_that_is_no_table_of_colours_is_said_not_to_be_understood(tmp_path, caplog, line):
    (tmp_path / "m.tif.clr").write_text(f"1 2 3 4\n{line}\n")
    with caplog.at_level(logging.WARNING):
        assert clr_colours(str(tmp_path / "m.tif")) == {}
    assert "not understood" in caplog.text and "line 2" in caplog.text


def labels(folder, codes, side=8, **options):
    image = TiffReader(write_map(folder / "image.tif", noise((3, 128, 128))))
    path = write_map(folder / "m.tif", patches(128, 128, np.array(codes, np.uint8), side)[None], **options)
    return LabelReader(path, "land", image)


def test_a_map_takes_names_and_colours_from_the_files_beside_it(tmp_path):
    names_table(tmp_path / "m.tif.vat.dbf")
    (tmp_path / "m.clr").write_text("1 230 0 77\n12 0 204 242\n")
    reader = labels(tmp_path, [1, 12, 255])
    assert (reader.legend.names, reader.legend.codes) == (("forêt", "prés", "outside"), (1, 12, 255))
    assert reader.legend.colors[:2] == ((230, 0, 77), (0, 204, 242))
    assert "m.tif.vat.dbf" in reader.classes.as_dict()["reason"]
    (tmp_path / "m.tif.vat.dbf").unlink()
    (tmp_path / "m.clr").write_text(QGIS.replace("-128", "12").replace(",0,none", ",255,none"))
    named = labels(tmp_path, [1, 12])
    assert (named.legend.names, named.legend.colors[0]) == (("Urban fabric, dense", "none"), (230, 0, 77))


def test_names_of_gdal_come_before_those_of_other_files(tmp_path):
    names_table(tmp_path / "m.tif.vat.dbf")
    image = TiffReader(write_map(tmp_path / "image.tif", noise((3, 128, 128))))
    path = write_map(tmp_path / "m.tif", patches(128, 128, np.array([0, 1], np.uint8), 8)[None])
    (tmp_path / "m.tif.aux.xml").write_text(category_names_xml(["a", "b"]))
    assert LabelReader(path, "land", image).legend.names == ("a", "b")


def test_codes_of_corine_with_its_table(tmp_path):
    """The names of the 44 classes and the one without data, as the file that is downloaded has them."""
    legend = builtin_legends()["clc"]
    rows = [(code, name) for code, name in enumerate(legend.names, 1)] + [(48, "NODATA")]
    names_table(tmp_path / "m.tif.vat.dbf", name="LABEL3", rows=rows)
    reader = labels(tmp_path, range(1, 49), side=2)
    assert reader.legend.names == legend.names
    classes = reader.source.read_window(*reader.window)[0]
    codes = patches(128, 128, np.arange(1, 49), 2)
    assert np.array_equal(classes, np.where(codes <= 44, codes - 1, 255))


def test_a_clr_file_with_the_colours_of_a_product_says_what_it_is(tmp_path):
    legend = builtin_legends()["worldcover"]
    lines = [" ".join(map(str, (code, *colour))) for code, colour in zip(legend.codes, legend.colors)]
    (tmp_path / "m.clr").write_text("\n".join(lines))
    assert labels(tmp_path, legend.codes).legend.names == legend.names
