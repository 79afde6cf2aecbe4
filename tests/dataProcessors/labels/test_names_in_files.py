"""Class names in label files and in the files beside them: category names and attribute tables."""

import numpy as np
import pytest
import rasterio.shutil
from label_files_for_tests import FIVE, NAMES, categories, names_of, pam, put
from labels_for_tests import TIES, differing, labels_in, opened, whole
from maps_for_tests import looked_up
from vrt_for_tests import attribute_table_xml as table

from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.opening import MapError

AUX = """<PAMDataset><PAMRasterBand band="1">{}</PAMRasterBand></PAMDataset>"""
CATEGORIES = AUX.format(
    "<CategoryNames><Category>NA</Category><Category>water</Category><Category/>"
    "<Category>forest</Category></CategoryNames>"
)
TABLE = AUX.format(
    "<GDALRasterAttributeTable><FieldDefn><Name>V</Name><Usage>5</Usage></FieldDefn>"
    "<FieldDefn><Name>N</Name><Usage>2</Usage></FieldDefn>"
    "<Row><F>0</F><F>NA</F></Row><Row><F>1</F><F>water</F></Row><Row><F>3.0</F><F>forest</F></Row>"
    "</GDALRasterAttributeTable>"
)
ONES = [(i + 1, name) for i, name in enumerate(NAMES)]
TABLES = {
    "value and name": table([("V", 0, 5), ("N", 2, 2)], ONES),
    "min and max": table([("a", 0, 3), ("b", 0, 4), ("c", 2, 2)], [(i, i, n) for i, n in ONES]),
    "max before min": table([("b", 0, 4), ("a", 0, 3), ("c", 2, 2)], [(i, i, n) for i, n in ONES]),
    "ends that overlap": table([("a", 1, 3), ("b", 1, 4), ("c", 2, 2)], [(i - 0.5, i + 0.4, n) for i, n in ONES]),
    "bins": table([("c", 2, 2)], [(n,) for _, n in ONES], 'Row0Min="0.5" BinSize="1"'),
    "bins of whole numbers": table([("c", 2, 2)], [(n,) for _, n in ONES], 'Row0Min="1" BinSize="1"'),
    "no usages": table([("OID", 0, 0), ("Value", 0, 0), ("Count", 0, 0), ("Class_Name", 2, 0)],
                       [(9 - i, i, 4, n) for i, n in ONES]),
    "capitals": table([("VALUE", 1, 0), ("COUNT", 1, 0), ("LABEL", 2, 0)], [(f"{i}.0", 4, n) for i, n in ONES]),
    "one column of text": table([("Value", 0, 0), ("Bezeichnung", 2, 0)], ONES),
    "usage of the value alone": table([("Wert", 0, 5), ("Zahl", 0, 1), ("Klasse", 2, 0)], [(i, 3, n) for i, n in ONES]),
}  # fmt: skip


def test_category_names_win_over_the_colours_of_a_legend(read, tmp_path):
    mask = (FIVE > 2).astype("uint8")
    path = put(tmp_path, mask, colormap={0: (0, 0, 0), 1: (255, 0, 0)})
    reader, names = read(pam(path, categories(["Other land", "Building"])))
    assert np.array_equal(names, names_of(mask, {0: "Other land", 1: "Building"}))
    assert reader.legend.colors == ((0, 0, 0), (255, 0, 0))


@pytest.mark.parametrize("sidecar", [CATEGORIES, TABLE], ids=["category names", "attribute table"])
def test_codes_with_names_and_colours_of_the_file(image, tmp_path, sidecar):
    path = labels_in(image, tmp_path, [0, 1, 3, 9], colormap={1: (0, 0, 200), 3: (1, 100, 2)})
    (tmp_path / "labels.tif.aux.xml").write_text(sidecar)
    reader = opened(path, image, cache=tmp_path / "cache")
    assert (reader.legend.names, reader.legend.codes) == (("water", "forest"), (1, 3))
    assert reader.legend.colors == ((0, 0, 200), (1, 100, 2))
    values, inside = looked_up(path, image.grid)
    expected = np.where(inside & (values[0] == 1), 0, np.where(inside & (values[0] == 3), 1, NO_LABEL))
    assert differing(whole(reader), expected) < TIES  # neither NA nor the code without a name


def test_other_ranges_of_the_same_names_are_prepared_anew(image, tmp_path):
    path = labels_in(image, tmp_path, [1, 2, 3], part=(-0.1, -0.1, 1.1, 1.1))
    fields = (("low", 3), ("high", 4), ("name", 2))
    columns = "".join(f"<FieldDefn><Name>{name}</Name><Usage>{usage}</Usage></FieldDefn>" for name, usage in fields)
    for end in (1, 2):
        rows = f"<Row><F>1</F><F>{end}</F><F>water</F></Row><Row><F>3</F><F>3</F><F>forest</F></Row>"
        table = f"<GDALRasterAttributeTable>{columns}{rows}</GDALRasterAttributeTable>"
        (tmp_path / "labels.tif.aux.xml").write_text(AUX.format(table))
        tiles = opened(path, image, cache=tmp_path / "cache").read([[0, 0]], 200)[0, 0]
        expected = np.select([looked_up(path, image.grid)[0][0] <= end], [0], NO_LABEL)[:200, :200]
        assert differing(tiles == 0, expected == 0) < TIES


def test_a_broken_sidecar(image, tmp_path):
    path = labels_in(image, tmp_path, [1, 3])
    (tmp_path / "labels.tif.aux.xml").write_text("<PAMDataset>")
    with pytest.raises(MapError, match="not valid XML"):
        opened(path, image)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("place", ["sidecar", "vrt"])
def test_attribute_tables(read, tmp_path, kind, place):
    path = put(tmp_path, FIVE + 1)
    if place == "vrt":
        rasterio.shutil.copy(path, tmp_path / "labels.vrt", driver="VRT")
        path = tmp_path / "labels.vrt"
        path.write_text(path.read_text().replace("<SimpleSource>", TABLES[kind] + "<SimpleSource>"))
    else:
        pam(path, TABLES[kind])
    reader, names = read(path)
    assert reader.legend.names == tuple(NAMES) and reader.legend.codes == (1, 2, 3, 4, 5)
    assert np.array_equal(names, np.array(NAMES)[FIVE])


def test_ranges_of_codes_and_their_colours(read, tmp_path):
    columns = [("from", 0, 3), ("to", 0, 4), ("name", 2, 2), ("r", 0, 6), ("g", 0, 7), ("b", 0, 8), ("a", 0, 9)]
    rows = [(0, 9, "low", 1, 2, 3, 255), (10, 10, "ten", 40, 50, 60, 255), (11, 10**9, "high", 7, 8, 9, 255)]
    codes = np.array([0, 9, 10, 11, 60000], "uint16")[FIVE]
    reader, names = read(pam(put(tmp_path, codes), table(columns, rows)))
    assert np.array_equal(names, np.array(["low", "low", "ten", "high", "high"])[FIVE])
    assert reader.legend.colors == ((1, 2, 3), (40, 50, 60), (7, 8, 9))


def test_where_ranges_overlap_the_first_row_counts(read, tmp_path):
    columns = [("from", 0, 3), ("to", 0, 4), ("name", 2, 2)]
    _, names = read(pam(put(tmp_path, FIVE), table(columns, [(0, 2, "a"), (2, 3, "b"), (0, 9, "c")])))
    assert np.array_equal(names, np.array(["a", "a", "a", "b", "c"])[FIVE])


def test_a_row_that_is_no_class_counts_where_ranges_overlap(read, tmp_path):
    columns = [("from", 0, 3), ("to", 0, 4), ("name", 2, 2)]
    rows = [(0, 2, "No data"), (2, 3, "b"), (0, 9, "c")]
    reader, names = read(pam(put(tmp_path, FIVE), table(columns, rows)))
    assert np.array_equal(names, np.array(["", "", "", "b", "c"])[FIVE])
    assert reader.classes.as_dict()["explained"] == 1, "what a row calls no data is none that a name lacks for"
    assert read(pam(put(tmp_path, FIVE), table(columns, [*rows, rows[1]])))[0].legend.names == ("c", "b")


@pytest.mark.parametrize("scale", [1, 255])
def test_colours_of_columns_without_usages(read, tmp_path, scale):
    columns = [("Value", 0, 0), ("Name", 2, 0), ("Red", 1, 0), ("Green", 1, 0), ("Blue", 1, 0)]
    rows = [(i, n, i / 5 * scale, 0, scale) for i, n in ONES]
    reader, _ = read(pam(put(tmp_path, FIVE + 1), table(columns, rows)))
    assert reader.legend.colors == tuple((51 * i, 0, 255) for i in range(1, 6))


@pytest.mark.parametrize("inside", [
    table([("Class_Name", 2, 2)], [(n,) for n in NAMES]), table([("x", 0, 0), ("y", 0, 0)], [(1, 2)]),
    table([("Count", 0, 1), ("Class", 2, 2)], [(5, n) for n in NAMES]),
])  # fmt: skip
def test_a_table_that_does_not_say_its_codes_is_not_used(read, tmp_path, caplog, inside):
    """The number of a row is a code only where the table says so."""
    _, names = read(pam(put(tmp_path, FIVE), inside))
    assert np.array_equal(names, np.char.add("class ", FIVE.astype(str)))
    told = [r for r in caplog.records if "was not understood" in r.message and "Value and Class_Name" in r.message]
    assert len(told) == 1


def test_names_in_a_vrt_and_of_the_band_in_use(read, tmp_path):
    put(tmp_path, np.stack([FIVE * 0, FIVE + 1]), name="codes.tif")
    rasterio.shutil.copy(tmp_path / "codes.tif", tmp_path / "labels.vrt", driver="VRT")
    text = (tmp_path / "labels.vrt").read_text()
    second = text.index('band="2"')
    text = text[:second] + text[second:].replace("<SimpleSource>", categories(["none", *NAMES]) + "<SimpleSource>")
    (tmp_path / "labels.vrt").write_text(text)
    _, names = read(tmp_path / "labels.vrt", band=2)
    assert np.array_equal(names, np.array(NAMES)[FIVE])
    assert read(tmp_path / "labels.vrt", band=1)[0].legend.names == ("class 0",)


def test_names_inside_an_erdas_file(read, tmp_path):
    path = pam(put(tmp_path, FIVE + 1), categories(["", *NAMES]))
    rasterio.shutil.copy(path, tmp_path / "labels.img", driver="HFA")
    assert np.array_equal(read(tmp_path / "labels.img")[1], np.array(NAMES)[FIVE])


def test_names_that_fit_few_codes_are_not_used(read, tmp_path, caplog):
    _, names = read(pam(put(tmp_path, FIVE * 10), categories(NAMES)))
    assert np.array_equal(names, np.char.add("class ", (FIVE * 10).astype(str)))
    assert "its class names are not used" in caplog.text
    caplog.clear()
    _, names = read(pam(put(tmp_path, FIVE, name="four.tif"), categories(NAMES[:4])))
    assert np.array_equal(names, np.array([*NAMES[:4], ""])[FIVE])
    assert "have a code without a name and are unlabelled: 4 (" in caplog.text


def test_equal_names_are_told_apart(read, tmp_path):
    reader, _ = read(pam(put(tmp_path, FIVE), categories(["Water", "Land", "Land", "Ice", "Land"])))
    assert reader.legend.names == ("Water", "Land (1)", "Land (2)", "Ice", "Land (4)")


def test_a_class_called_no_data_is_none_and_a_single_class_is_warned_of(read, tmp_path, caplog):
    mask = (FIVE > 2).astype("uint8")
    caplog.set_level("INFO")
    reader, names = read(pam(put(tmp_path, mask), categories(["No data", "Forest"])))
    assert np.array_equal(names, names_of(mask, {1: "Forest"}))
    assert "no class by its name: No data (0)" in caplog.text
    warned = [record.message for record in caplog.records if "all labelled pixels are of one class" in record.message]
    assert "Forest" in warned[0] and "No data" in warned[0] and "mean nothing" in warned[0]
    assert "No data" in reader.fingerprint()["legend"]["note"]
