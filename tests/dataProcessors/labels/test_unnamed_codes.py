"""Label maps of codes that nothing names: every code is a class, and no legend is guessed."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from label_files_for_tests import FIVE, SIDE, WORLD, names_of, put
from labels_for_tests import TIES, differing, labels_in, opened, whole
from maps_for_tests import CORNER, UTM32, grid_of, looked_up, patches, write_map

from dataProcessors.label_reader import LabelReader
from dataProcessors.labels.label_source import LabelSource
from dataProcessors.labels.occurring import occurring_codes
from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader

GREYS = {i: (i, i, i) for i in range(256)}


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


@pytest.mark.parametrize(
    ("dtype", "codes"),
    [("uint8", [0, 7, 254]), ("uint16", [300, 65535, 12]), ("int16", [-5, 0, 32000]), ("int32", [-70000, 2, 10**6])],
)
def test_codes_without_names(image, tmp_path, dtype, codes):
    path = labels_in(image, tmp_path, codes, dtype=dtype)
    reader = opened(path, image)
    assert reader.legend.names == tuple(f"class {code}" for code in sorted(codes))
    assert len(set(reader.legend.colors)) == 3
    values, inside = looked_up(path, image.grid)
    assert differing(whole(reader), np.where(inside, np.searchsorted(sorted(codes), values[0]), NO_LABEL)) < TIES


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_codes_if_they_are_whole_numbers(image, tmp_path, dtype):
    path = labels_in(image, tmp_path, [7, -2, 300, 5], dtype=dtype, nodata=5)
    reader = opened(path, image)
    assert reader.legend.codes == (-2, 7, 300)
    values, inside = looked_up(path, image.grid)
    expected = np.select([values[0] == code for code in reader.legend.codes], [0, 1, 2], NO_LABEL)
    assert differing(whole(reader), np.where(inside, expected, NO_LABEL)) < TIES
    rounded = labels_in(image, tmp_path, [7, np.finfo(np.float32).min], dtype=dtype, nodata=-3.4e38)
    assert opened(rounded, image).legend.codes == (7,)
    with pytest.raises(MapError, match=rf"{dtype} values such as 1.5. .* gdal_translate -ot Byte .*labels.tif"):
        opened(labels_in(image, tmp_path, [1, 1.5], dtype=dtype), image)


def test_bands_that_are_no_colours_and_too_many_codes(image, tmp_path):
    with pytest.raises(MapError, match=r'its 3 bands \(uint16\) are no colours.* "labels": {"land": .*"band": 1}'):
        opened(labels_in(image, tmp_path, [(500, 2, 3)], dtype="uint16", photometric="MINISBLACK"), image)
    with pytest.raises(MapError, match=r"must have 1 to 254 classes. Got \d+ codes"):
        opened(labels_in(image, tmp_path, range(1000), side=1, dtype="uint16"), image)


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
