"""The part of a label map that lies over the image: found where it is small, refused where there is none."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from label_files_for_tests import FIVE, SIDE, put
from labels_for_tests import LAEA, labels_in, opened, whole
from maps_for_tests import LONLAT, UTM32, noise, patches, write_map
from rasterio.crs import CRS

from dataProcessors.label_reader import LabelReader
from dataProcessors.labels.label_source import LabelSource
from dataProcessors.labels.overlap import POINTS_PER_PART, covering_window, labelled_points, sample_labels
from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader


@pytest.mark.parametrize("crs", [LONLAT, LAEA, UTM32])
@pytest.mark.parametrize("part", [(3, 0, 4, 1), (-40, -40, -30, -30)])
def test_no_overlap(image, tmp_path, crs, part):
    path = labels_in(image, tmp_path, range(1, 45), crs, 0.0004 if crs == LONLAT else 20.0, part=part)
    with pytest.raises(MapError, match="does not overlap the part of the image in use"):
        opened(path, image, "clc")


def test_a_map_all_nodata_does_not_overlap(image, tmp_path):
    with pytest.raises(MapError, match="does not overlap"):
        opened(labels_in(image, tmp_path, [5], nodata=5), image, "clc")


@pytest.mark.parametrize("crs", [UTM32, LONLAT, LAEA])
def test_a_label_map_of_another_place_is_not_read(tmp_path, monkeypatch, crs):
    """It may be as large as a continent."""
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, 260, 300), np.uint8)))
    pixel = 0.0004 if crs == LONLAT else 20.0
    path = labels_in(image, tmp_path, range(1, 45), crs, pixel, part=(20, 20, 40, 40))
    monkeypatch.setattr(LabelSource, "read_native", None)
    with pytest.raises(MapError, match="does not overlap"):
        opened(path, image, "clc")


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("of_image", "of_labels"), [(-120, 240), (240, -120)])
def test_longitudes_from_0_to_360_are_named_as_the_cause(tmp_path, of_image, of_labels, turned):
    def placed(longitude, crs=LONLAT):
        turn = Affine(0, 0.001, longitude, 0.001, 0, 40) if turned else Affine(0.001, 0, longitude, 0, -0.001, 40)
        return {"crs": crs, "place": turn}

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


@pytest.mark.parametrize(
    ("crs", "place", "of_labels", "labelled"),
    [
        (LONLAT, Affine(0.1, 0, 175, 0, -0.1, 40), -180, 50), (LONLAT, Affine(0.1, 0, -5, 0, -0.1, 40), 0, 50),
        (LONLAT, Affine(0.1, 0, 165, 0, -0.1, 40), -180, 100), (LONLAT, Affine(0.1, 0, 175, 0, -0.1, 40), 0, 100),
        (CRS.from_epsg(32660), Affine(1000, 0, 700_000, 0, -1000, 4e6), -180, 100),
    ],
)  # fmt: skip
def test_longitudes_that_are_counted_otherwise_are_told_where_they_leave_a_part_unlabelled(
    tmp_path, caplog, crs, place, of_labels, labelled
):
    """Maps of the whole Earth; those that need no other count are not warned of, also in a zone over 180 degrees."""
    image = TiffReader(write_map(tmp_path / "image.tif", noise((1, 100, 100)), crs, place))
    whole_earth = Affine(10, 0, of_labels, 0, -10, 90)
    path = write_map(tmp_path / "labels.tif", patches(18, 36, [1, 2], 1)[None].astype(np.uint8), LONLAT, whole_earth)
    found = whole(opened(path, image)) != NO_LABEL
    assert found.all(0).sum() == found.any(0).sum() == labelled
    assert ("covers only a part of the image in use. One of them counts longitudes" in caplog.text) == (labelled < 100)


@pytest.mark.parametrize("crs", ["EPSG:32632", LONLAT])
def test_labels_in_one_corner_of_a_large_map(tmp_path, crs):
    """One pixel of a thousand has a label: hardly any window of a sample meets one."""
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, 2500, 3000), np.uint8)))
    path = labels_in(image, tmp_path, [7], crs, 20.0 if crs != LONLAT else 0.0003, side=1, part=(0, 0, 1, 1), nodata=0)
    with rasterio.open(path, "r+") as file:
        codes = np.zeros(file.shape, np.uint8)
        height, width = codes.shape
        codes[height // 2 : height // 2 + height // 30, width // 3 : width // 3 + width // 30] = 7
        file.write(codes, 1)
    labels = opened(path, image)
    assert labels.legend.names == ("class 7",)
    assert 0.0005 < (whole(labels) == 0).mean() < 0.002


def test_labels_in_one_corner_of_the_part_in_use(tmp_path):
    """Most of the label map's labels lie beside the image, in the same blocks of the file."""
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, 1000, 1000), np.uint8)))
    place = image.grid.transform @ Affine.translation(-2000, 0)
    codes = np.zeros((1000, 5000), np.uint8)
    codes[:, :1990:7] = codes[:, 3010::7] = 5
    codes[700:715, 2600:2615] = 7
    path = write_map(tmp_path / "labels.tif", codes[None], UTM32, place, nodata=0)
    source = LabelSource(path, image.grid)
    values, valid = sample_labels(source, image.grid.window)
    assert np.isin(values[0][valid], 7).mean() == 1
    rng = np.random.default_rng(0)
    columns, rows = labelled_points(source, image.grid.window, rng).T
    assert len(columns) == 15 * 15 < POINTS_PER_PART
    assert ((columns > 600) & (columns < 615) & (rows > 700) & (rows < 715)).all()


def test_a_label_map_much_smaller_than_the_image(tmp_path):
    image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, 2500, 3000), np.uint8)))
    path = labels_in(image, tmp_path, [1, 2], pixel=0.00005, side=3, part=(0.7, 0.7, 0.704, 0.704))
    reader = opened(path, image, "clc")
    assert {0, 1} < set(np.unique(whole(reader)))


@pytest.mark.parametrize("crs", [UTM32, LONLAT, LAEA])
def test_the_part_around_a_window_holds_all_of_it(image, tmp_path, crs):
    pixel = 0.0001 if crs == LONLAT else 10.0
    source = LabelSource(labels_in(image, tmp_path, range(1, 45), crs, pixel, part=(-1, -1, 2, 2)), image.grid)
    window = Window(100, 50, 80, 60)
    x, y, width, height = covering_window(source, window)
    grid, native = source.grid, source.native_grid
    centres = np.meshgrid(np.arange(native.width) + 0.5, np.arange(native.height) + 0.5)
    columns, rows = (axis.ravel() for axis in centres)
    there = np.stack(grid.pixels_of(native.crs, *(native.transform @ (columns, rows))))
    within = ((there >= [[100], [50]]) & (there < [[180], [110]])).all(0)
    in_part = (columns > x) & (columns < x + width) & (rows > y) & (rows < y + height)
    assert within.any()
    assert not (within & ~in_part).any()
    assert in_part.sum() < 3 * within.sum()
