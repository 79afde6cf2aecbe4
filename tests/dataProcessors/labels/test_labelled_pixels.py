"""Which pixels of a label map are labelled, and the shares that are told."""

import json
import math

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from label_files_for_tests import FIVE, NAMES, SIDE, categories, pam, put
from labels_for_tests import LAEA, PART, TIES, differing, labels_in, opened, whole
from maps_for_tests import around, looked_up, patches, write_map
from rasterio.enums import ColorInterp

from dataProcessors.labels.label_bands import code_of_nodata
from dataProcessors.legends.legend import NO_LABEL

RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]


def test_unlabelled_is_255(read, tmp_path):
    reader, _ = read(put(tmp_path, FIVE, nodata=0))
    assert (reader.source.read_window(0, 0, SIDE, SIDE)[0] == np.where(FIVE == 0, NO_LABEL, FIVE - 1)).all()


def test_declared_nodata_is_no_class(image, tmp_path):
    path = labels_in(image, tmp_path, [1, 2, 3], nodata=2)
    reader = opened(path, image)
    assert reader.legend.codes == (1, 3)
    values, inside = looked_up(path, image.grid)
    assert differing(whole(reader) != NO_LABEL, inside & (values[0] != 2)) < TIES


def test_a_source_with_nodata_masks_and_alpha_has_no_labels_there(image, tmp_path, legends):
    colours = [c for c in legends["clc"].colors[:20]]
    black = labels_in(image, tmp_path, [*colours, (0, 0, 0)], LAEA, 100.0, side=1, name="black.tif", nodata=0)
    values, inside = looked_up(black, image.grid)
    there = inside & values.any(0)
    assert differing(whole(opened(black, image, "clc")) != NO_LABEL, there) < TIES
    place, height, width = around(image.grid, LAEA, 100.0, PART)
    pixels = np.array(colours, np.uint8)[patches(height, width, np.arange(20), 1)].transpose(2, 0, 1)
    shown = patches(height, width, [True, False, True], 2, seed=1)
    masked = write_map(tmp_path / "mask.tif", pixels, LAEA, place, mask=shown)
    four = np.concatenate([pixels, 255 * shown[None].astype(np.uint8)])
    alpha = write_map(tmp_path / "alpha.tif", four, LAEA, place, photometric="RGB", colorinterp=RGBA)
    visible, inside = looked_up(alpha, image.grid)
    assert 0.1 < (visible[3] == 0)[inside].mean() < 0.9
    for path in (masked, alpha):
        assert differing(whole(opened(path, image, "clc")) != NO_LABEL, inside & (visible[3] > 0)) < TIES


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_an_alpha_of_one_is_opaque(image, tmp_path, dtype):
    place, height, width = around(image.grid, LAEA, 100.0, PART)
    codes = patches(height, width, [1, 2], 3).astype(dtype)
    alpha = patches(height, width, [0, 1], 2, seed=1).astype(dtype)
    path = write_map(
        tmp_path / "labels.tif",
        np.stack([codes, alpha]),
        LAEA,
        place,
        colorinterp=[ColorInterp.gray, ColorInterp.alpha],
    )
    (_, shown), inside = looked_up(path, image.grid)
    assert 0.1 < (shown == 0)[inside].mean() < 0.9
    assert differing(whole(opened(path, image)) != NO_LABEL, inside & (shown > 0)) < TIES


def test_codes_that_only_masked_pixels_have_are_no_classes(image, tmp_path):
    path = labels_in(image, tmp_path, [3, 9])
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(file.read(1) != 9)
    assert opened(path, image).legend.names == ("class 3",)


def test_nodata_mask_and_alpha_count_together(read, tmp_path):
    """GDAL lets a mask hide a nodata value, and a nodata value an alpha band."""
    alpha = np.where(np.arange(SIDE) < 20, 0, 255).astype("uint8") * np.ones((SIDE, 1), "uint8")
    shown = np.arange(SIDE)[:, None] * np.ones(SIDE) >= 30
    kinds = [ColorInterp.gray, ColorInterp.alpha]
    path = put(tmp_path, np.stack([FIVE, alpha]), nodata=3, mask=shown, colorinterp=kinds)
    _, names = read(path)
    expected = np.where((FIVE != 3) & (alpha > 0) & shown, np.char.add("class ", FIVE.astype(str)), "")
    assert np.array_equal(names, expected)


def test_a_mask_beside_a_link_counts(read, tmp_path):
    """Files that are kept elsewhere, under other names, as tools for data do: each has a link of its own."""
    shown = np.arange(SIDE)[:, None] * np.ones(SIDE) >= 30
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        path = put(tmp_path, FIVE)
        with rasterio.open(path, "r+") as file:
            file.write_mask(shown)
    (tmp_path / "store").mkdir()
    for number, each in enumerate((path, path.with_name(f"{path.name}.msk"))):
        each.rename(tmp_path / "store" / str(number))
        each.symlink_to(tmp_path / "store" / str(number))
    _, names = read(path)
    assert np.array_equal(names, np.where(shown, np.char.add("class ", FIVE.astype(str)), ""))


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


def test_the_labelled_share_is_told(image, tmp_path, caplog):
    opened(labels_in(image, tmp_path, range(1, 45), part=(0, 0, 0.5, 1)), image, "clc", cache=tmp_path / "cache")
    told = [record for record in caplog.records if "is labelled" in record.message]
    assert 48 < float(told[0].message.split("labels.tif: ")[1].split("%")[0]) < 54
    assert told[0].levelname == "WARNING"


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
