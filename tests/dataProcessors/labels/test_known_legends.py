"""Label maps with codes or colours of a known legend that nobody names: which evidence is enough?"""

import numpy as np
import pytest
from label_files_for_tests import FIVE, SIDE, WORLD, names_of, put
from maps_for_tests import patches
from rasterio.enums import ColorInterp

from dataProcessors.rasters.opening import MapError


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
