"""Label maps of kinds that are easily mistaken: which class is a pixel, by which evidence?"""

import json
import math

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from maps_for_tests import CORNER, LONLAT, UTM32, grid_of, noise, patches, write_map
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from vrt_for_tests import attribute_table_xml as table

from config import LabelFile
from dataProcessors.labels.label_bands import code_of_nodata
from dataProcessors.labels.label_source import LabelSource
from dataProcessors.labels.occurring import occurring_codes
from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import LabelReader, TiffReader

SIDE = 200
NAMES = ["Water", "Trees", "Grass", "Crops", "Built"]
FIVE = patches(SIDE, SIDE, np.arange(5, dtype="uint8"), 8)  # class of every pixel
HERE = {"crs": UTM32, "place": CORNER}
GREYS = {i: (i, i, i) for i in range(256)}
WORLD = {10: (0, 100, 0), 50: (250, 0, 0), 80: (0, 100, 200)}


@pytest.fixture
def image(tmp_path):
    return TiffReader(write_map(tmp_path / "image.tif", noise((3, SIDE, SIDE)), **HERE))


@pytest.fixture
def read(image, tmp_path):
    """Opens a label map on the image's pixels; returns the reader and the class names (h, w), "" where unlabelled."""

    def opened(path, hint=None, name="lc", band=None, **options):
        reader = LabelReader(LabelFile(path=str(path), band=band), name, image, hint, **options)
        classes = reader.source.read_window(0, 0, SIDE, SIDE)[0]
        return reader, np.array([*reader.legend.names, ""])[np.minimum(classes, len(reader.legend))]

    return opened


def put(tmp_path, pixels, name="labels.tif", **options):
    pixels = np.asarray(pixels)
    return write_map(tmp_path / name, pixels if pixels.ndim == 3 else pixels[None], **(HERE | options))


def pam(path, inside, tag="PAM"):
    path.with_name(f"{path.name}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1">{inside}</PAMRasterBand></PAMDataset>'
    )
    return path


def categories(names):
    return "<CategoryNames>" + "".join(f"<Category>{name}</Category>" for name in names) + "</CategoryNames>"


def names_of(codes, names):
    """Class names (h, w) of codes (h, w); names: code -> name."""
    return np.array([names.get(code, "") for code in codes.ravel().tolist()]).reshape(codes.shape)


# codes without names: no legend is guessed


@pytest.mark.parametrize(
    "options",
    [{"nbits": 1}, {"nbits": 1, "photometric": "MINISWHITE"}, {"colormap": GREYS}, {"colormap": WORLD},
     {"colormap": {0: (0, 0, 0), 1: (255, 0, 0)}}, {"colormap": {0: (0, 0, 0), 1: (230, 0, 77)}}, {}],
    ids=["one bit", "one bit, white is 0", "greys", "three colours", "black and red", "one of CORINE's", "no palette"],
)  # fmt: skip
def test_a_mask_is_two_classes(read, tmp_path, options):
    mask = (FIVE > 2).astype("uint8")
    reader, names = read(put(tmp_path, mask, **options))
    assert np.array_equal(names, names_of(mask, {0: "class 0", 1: "class 1"}))
    assert len(set(reader.legend.colors)) == 2
    assert reader.classes.as_dict()["reason"].startswith("nothing names the classes")


@pytest.mark.parametrize(("codes", "options"), [
    (np.arange(5), {"colormap": GREYS}), (np.arange(5) * 50 + 3, {}), (np.arange(5) - 3, {"dtype": "int16"}),
    (np.array([7, 300, 70000, -2, 2**31 - 1]), {"dtype": "int32"}), (np.array([1, 2**53, 3, 4, 5]), {"dtype": "int64"}),
    (np.arange(5) - 100, {"dtype": "int8"}), (np.arange(5) + 2**32 - 9, {"dtype": "uint32"}),
])  # fmt: skip
def test_every_code_is_a_class(read, tmp_path, codes, options):
    pixels = codes[FIVE].astype(options.pop("dtype", "uint8"))
    reader, names = read(put(tmp_path, pixels, **options))
    assert reader.legend.codes == tuple(sorted(codes.tolist()))
    assert np.array_equal(names, np.char.add("class ", pixels.astype(str)))


def test_up_to_254_codes_with_gaps(read, tmp_path):
    codes = np.arange(254, dtype="uint16") * 7 + 1
    pixels = codes[np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 254]
    reader, names = read(put(tmp_path, pixels))
    assert len(reader.legend) == 254 and np.array_equal(names, np.char.add("class ", pixels.astype(str)))


def test_codes_are_found_in_every_corner_of_a_large_file(tmp_path):
    codes = np.random.default_rng(0).integers(0, 70_000, (2500, 2100)).astype("int32")
    codes[-1, -1] = -5
    path = put(tmp_path, codes, tiled=True)
    source = LabelSource(path, grid_of(2100, 2500))
    assert len(occurring_codes(source)) > 65536, "and the count stops"
    few = np.where(codes > 50, 9, 8).astype("int32")
    few[-1, -1] = -5
    source = LabelSource(put(tmp_path, few, tiled=True, name="few.tif", nodata=8), grid_of(2100, 2500))
    assert occurring_codes(source, threads=2) == {-5: 1, 9: int((few == 9).sum())}


@pytest.mark.parametrize("bands", [
    [FIVE, FIVE, FIVE], [FIVE, FIVE, np.where(FIVE == 1, 0, FIVE)], [FIVE, FIVE], [FIVE] * 5, [FIVE + 100.0] * 3,
    [FIVE.astype("uint16")] * 3,
])  # fmt: skip
def test_bands_of_codes_are_named_in_the_config(read, tmp_path, bands):
    path = put(tmp_path, np.stack(bands))
    with pytest.raises(MapError, match=r'hold codes.* "labels": \{"lc": \{"path": ".*labels.tif", "band": 1\}\}'):
        read(path)
    with pytest.raises(MapError, match=f"names band 9 of the label map lc, but the file has bands 1 to {len(bands)}"):
        read(path, band=9)
    for band in (1, len(bands)):
        _, names = read(path, band=band)
        assert np.array_equal(names, np.char.add("class ", bands[band - 1].astype(int).astype(str)))


def test_a_legend_of_equal_bands_that_does_not_explain_them(read, tmp_path):
    with pytest.raises(MapError, match="three bands are equal, so the bands hold codes"):
        read(put(tmp_path, np.stack([FIVE] * 3)), "osm")


# names in the file


def test_category_names_win_over_the_colours_of_a_legend(read, tmp_path):
    mask = (FIVE > 2).astype("uint8")
    path = put(tmp_path, mask, colormap={0: (0, 0, 0), 1: (255, 0, 0)})
    reader, names = read(pam(path, categories(["Other land", "Building"])))
    assert np.array_equal(names, names_of(mask, {0: "Other land", 1: "Building"}))
    assert reader.legend.colors == ((0, 0, 0), (255, 0, 0))


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


# known products


def test_codes_and_palette_together_are_a_product(read, tmp_path, legends):
    codes = np.array([1, 2, 12, 23, 41], "uint8")[FIVE]
    codes[:, :40] = 48
    palette = {i + 1: colour for i, colour in enumerate(legends["clc"].colors)}
    reader, names = read(put(tmp_path, codes, nodata=255, colormap=palette))
    assert len(reader.legend) == 44 and reader.legend.codes == tuple(range(1, 45))
    clc = {i + 1: name for i, name in enumerate(legends["clc"].names)}
    assert np.array_equal(names, names_of(codes, clc)) and (names[:, :40] == "").all()
    assert "codes and palette" in reader.classes.as_dict()["reason"]


@pytest.mark.parametrize("change", ["codes", "palette", "most of the codes"])
def test_codes_or_palette_alone_are_no_product(read, tmp_path, legends, change, caplog):
    caplog.set_level("INFO")
    codes = np.array([1, 2, 12, 23, 41], "uint8")[FIVE]
    palette = {i + 1: colour for i, colour in enumerate(legends["clc"].colors)}
    if change == "palette":
        palette = {code: colour[::-1] for code, colour in palette.items()}
    if change == "codes":
        codes, palette = codes + 100, {code + 100: colour for code, colour in palette.items()}
    if change == "most of the codes":
        codes[FIVE > 0] = 77
    _, names = read(put(tmp_path, codes, colormap=palette))
    assert np.array_equal(names, np.char.add("class ", codes.astype(str)))
    assert ("it has the colours of clc" in caplog.text) == (change == "codes")


def test_a_city_of_another_legend(read, tmp_path):
    codes = patches(SIDE, SIDE, np.array([50] * 28 + [10, 80], "uint8"), 8)
    reader, names = read(put(tmp_path, codes, nodata=0, colormap=WORLD))
    assert set(np.unique(codes)) == {10, 50, 80} and (names != "").all()
    assert len(np.unique(names)) == 3 and not any("urban fabric" in name for name in reader.legend.names)


def test_codes_that_fit_a_product_are_a_hint(read, tmp_path, caplog, legends):
    caplog.set_level("INFO")
    codes = np.array(legends["clc"].codes, "uint16")[patches(SIDE, SIDE, np.arange(44), 4)]
    reader, _ = read(put(tmp_path, codes))
    assert reader.legend.names[0] == "class 111"
    assert "it has the codes of clc" in caplog.text and '"legends": {"lc": "clc"}' in caplog.text


@pytest.mark.parametrize("name", ["clc", "CLC", "Corine"])
def test_the_name_of_the_label_map_names_a_legend(read, tmp_path, legends, name):
    codes = np.array([1, 2, 12, 23, 41], "uint8")[FIVE]
    reader, names = read(put(tmp_path, codes), name=name)
    assert reader.legend.name == name and reader.legend.names == legends["clc"].names
    assert np.array_equal(names, names_of(codes, {i + 1: each for i, each in enumerate(legends["clc"].names)}))
    with pytest.raises(MapError, match="give the label map another name"):
        read(put(tmp_path, FIVE + 200, name="other.tif"), name=name)


def test_three_classes_of_a_legend_must_occur(read, tmp_path, legends):
    colours = np.array(legends["osm"].colors, "uint8")
    two = colours[np.where(FIVE > 2, 2, 10)].transpose(2, 0, 1)
    with pytest.raises(MapError, match="fewer than three of its classes"):
        read(put(tmp_path, two))
    assert set(np.unique(read(put(tmp_path, two), "osm")[1])) == {legends["osm"].names[i] for i in (2, 10)}
    three = colours[np.array([2, 10, 7, 7, 2])[FIVE]].transpose(2, 0, 1)
    assert read(put(tmp_path, three, name="three.tif"))[0].legend.names == legends["osm"].names


def test_colours_must_be_exact_unless_compression_changes_them(read, tmp_path, legends):
    colours = np.array(legends["osm"].colors, "uint8")[patches(SIDE, SIDE, [2, 10, 7, 0], 80)].transpose(2, 0, 1)
    near = np.where(colours > 0, colours - 2, 3).astype("uint8")
    with pytest.raises(MapError, match="or not exactly"):
        read(put(tmp_path, near))
    options = {"compress": "jpeg", "photometric": "ycbcr", "jpeg_quality": 95, "interleave": "pixel"}
    reader, names = read(put(tmp_path, colours, name="lossy.tif", **options))
    assert reader.legend.names == legends["osm"].names
    assert (names == read(put(tmp_path, colours, name="exact.tif"))[1]).mean() > 0.95


def test_codes_of_a_named_legend_come_before_the_colours_of_the_palette(read, tmp_path, legends):
    """CORINE's burnt areas are black, as are entries of a palette that nobody set."""
    clc = legends["clc"]
    codes = np.array([1, 2, 12, 23, 41], "uint8")[FIVE]
    codes[:8, :8] = 77
    palette = {i + 1: colour for i, colour in enumerate(clc.colors)}
    _, names = read(put(tmp_path, codes, colormap=palette), "clc")
    assert np.array_equal(names, names_of(codes, {i + 1: name for i, name in enumerate(clc.names)}))
    assert (names[:8, :8] == "").all()


@pytest.mark.parametrize("order", [1, -1], ids=["RGB", "BGR"])
def test_colours_of_no_data_in_either_order(read, tmp_path, legends, order):
    clcplus = legends["clcplus"]
    colours = np.array([*clcplus.colors[:4], clcplus.no_data_colors[0]], "uint8")
    bands = colours[FIVE].transpose(2, 0, 1)[::order]
    for hint in (None, "clcplus"):
        reader, names = read(put(tmp_path, bands, photometric="MINISBLACK"), hint)
        assert np.array_equal(names, np.array([*clcplus.names[:4], ""])[FIVE])
        assert reader.classes.as_dict()["explained"] == 1


def test_bands_that_say_which_colour_they_are(read, tmp_path, legends):
    colours = np.array(legends["osm"].colors, "uint8")[FIVE].transpose(2, 0, 1)
    kinds = [ColorInterp.blue, ColorInterp.green, ColorInterp.red]
    reader, names = read(put(tmp_path, colours[::-1], colorinterp=kinds))
    assert reader.source.decode.description == "colours in RGB order"
    assert np.array_equal(names, np.array(legends["osm"].names)[FIVE])


# which pixels are labelled


def test_nodata_mask_and_alpha_count_together(read, tmp_path):
    """GDAL lets a mask hide a nodata value, and a nodata value an alpha band."""
    alpha = np.where(np.arange(SIDE) < 20, 0, 255).astype("uint8") * np.ones((SIDE, 1), "uint8")
    shown = np.arange(SIDE)[:, None] * np.ones(SIDE) >= 30
    kinds = [ColorInterp.gray, ColorInterp.alpha]
    path = put(tmp_path, np.stack([FIVE, alpha]), nodata=3, mask=shown, colorinterp=kinds)
    _, names = read(path)
    expected = np.where((FIVE != 3) & (alpha > 0) & shown, np.char.add("class ", FIVE.astype(str)), "")
    assert np.array_equal(names, expected)


@pytest.mark.parametrize(
    ("nodata", "dtype", "code"),
    [(-128, "uint8", 128), (128, "uint8", 128), (255, "int8", -1), (-1, "uint16", 65535), (65535, "int16", -1),
     (-9999, "uint8", None), (256, "uint8", None), (1.5, "uint8", None), (-1, "uint32", 2**32 - 1), (7, "int64", 7)],
)  # fmt: skip
def test_nodata_of_another_sign(nodata, dtype, code):
    assert code_of_nodata(nodata, np.dtype(dtype)) == code


def test_a_declared_nodata_of_another_sign_is_no_class(read, tmp_path):
    codes = FIVE + 1
    codes[:, :50] = 128
    put(tmp_path, codes, name="codes.tif")
    rasterio.shutil.copy(tmp_path / "codes.tif", tmp_path / "labels.vrt", driver="VRT")
    text = (tmp_path / "labels.vrt").read_text()
    (tmp_path / "labels.vrt").write_text(
        text.replace("<SimpleSource>", "<NoDataValue>-128</NoDataValue><SimpleSource>")
    )
    reader, names = read(tmp_path / "labels.vrt")
    assert reader.legend.codes == (1, 2, 3, 4, 5) and (names[:, :50] == "").all() and (names[:, 50:] != "").all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_with_nan_and_a_rounded_nodata(read, tmp_path, dtype):
    codes = FIVE.astype(dtype)
    codes[:, :40], codes[:, 40:60] = np.nan, np.finfo("float32").min
    reader, names = read(put(tmp_path, codes, nodata=-3.4e38))
    assert reader.legend.codes == (0, 1, 2, 3, 4)
    assert np.array_equal(names, np.where(np.arange(SIDE) < 60, "", np.char.add("class ", FIVE.astype(str))))


# overviews


@pytest.mark.parametrize("wrapped", [False, True], ids=["COG", "VRT of a COG"])
@pytest.mark.parametrize("crs", [UTM32, None], ids=["warped", "on the grid"])
def test_averaged_overviews_are_not_read(tmp_path, wrapped, crs):
    side = 1000  # no multiple of a block
    codes = patches(side, side, np.array([1, 5, 9], "uint8"), 8)
    place = {"crs": crs, "place": CORNER}
    write_map(tmp_path / "plain.tif", codes[None], tiled=True, **place)
    path = tmp_path / "labels.tif"
    rasterio.shutil.copy(tmp_path / "plain.tif", path, driver="COG", blocksize=128)
    with rasterio.open(path) as file:
        assert len(np.unique(file.read(1, out_shape=(64, 64)))) > 3, "its overviews are averaged"
    if wrapped:
        rasterio.shutil.copy(path, tmp_path / "labels.vrt", driver="VRT")
        path = tmp_path / "labels.vrt"
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, side, side), "uint8"), **place))
    reader = LabelReader(path, "lc", image)
    assert reader.legend.codes == (1, 5, 9) and reader.classes.labelled == 1 and not reader.classes.exact
    for step in (4, 16):
        thinned = reader.source.read_decimated(image.window, step)[0]
        assert np.array_equal(np.array([1, 5, 9])[thinned], codes[::step, ::step])


# shares, words


def test_the_classes_with_their_shares_are_told(read, tmp_path, caplog):
    caplog.set_level("INFO")
    path = pam(put(tmp_path, FIVE), categories([*NAMES, "Ice"]))
    reader, _ = read(path, cache=tmp_path / "cache")
    told = reader.fingerprint()["legend"]
    assert told["exact"] and told["labelled"] == 1 and told["explained"] == 1
    assert told["reason"] == f"class names in {path}.aux.xml"
    shares = {entry["name"]: entry["share"] for entry in told["classes"]}
    assert shares == {name: pytest.approx((i == FIVE).mean(), abs=1e-6) for i, name in enumerate([*NAMES, "Ice"])}
    assert f"Water  {(FIVE == 0).mean():7.2%}" in caplog.text and "1 of 6 classes do not occur: Ice" in caplog.text
    assert json.loads(json.dumps(reader.fingerprint())) and not math.isnan(told["explained"])


@pytest.mark.parametrize(("of_image", "of_labels"), [(-120, 240), (240, -120)])
def test_longitudes_from_0_to_360_are_named_as_the_cause(tmp_path, of_image, of_labels):
    def placed(longitude, crs=LONLAT):
        return {"crs": crs, "place": Affine(0.001, 0, longitude, 0, -0.001, 40)}

    image = TiffReader(write_map(tmp_path / "image.tif", noise((1, SIDE, SIDE)), **placed(of_image)))
    path = put(tmp_path, FIVE, **placed(of_labels))
    with pytest.raises(MapError, match=r"longitudes from 0 to 360, the other from -180 to 180.*CENTER_LONG"):
        LabelReader(path, "lc", image)
    utm = CRS.from_epsg(32611)  # where longitude -120 is
    there = {"crs": utm, "place": Affine(10, 0, 245_000, 0, -10, 4_430_000)}
    image = TiffReader(write_map(tmp_path / "utm.tif", noise((1, SIDE, SIDE)), **there))
    far = put(tmp_path, FIVE, name="far.tif", **placed(30))
    with pytest.raises(MapError, match="Choose a label map of the same place"):
        LabelReader(far, "lc", image)


def test_unlabelled_is_255(read, tmp_path):
    reader, _ = read(put(tmp_path, FIVE, nodata=0))
    assert (reader.source.read_window(0, 0, SIDE, SIDE)[0] == np.where(FIVE == 0, NO_LABEL, FIVE - 1)).all()
