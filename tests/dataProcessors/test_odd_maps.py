"""Odd maps that are read right: without a CRS, rotated, from south to north, with labels elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from fields_for_tests import CODES, HERE, ROTATED, SOUTH_UP, config_of, of_maps, put_image, put_labels, warnings
from labels_for_tests import TIES, whole
from maps_for_tests import LONLAT, UTM32, ZION, around, grid_of, looked_up, noise, patches
from runs_for_tests import SIDE

from dataProcessors.label_reader import LabelReader
from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.maps import open_maps
from dataProcessors.tiffreader import TiffReader

pytestmark = pytest.mark.usefixtures("fields")
PLACES = {"north-up": HERE, "rotated": ROTATED, "south-up": SOUTH_UP}


@pytest.mark.parametrize(("of_image", "of_labels"), [(None, None), (None, UTM32), (UTM32, None)])
def test_equal_pixels_without_a_crs_are_taken_and_warned_of(caplog, of_image, of_labels):
    put_image(crs=of_image)
    put_labels(crs=of_labels)
    opened = open_maps(config_of(), 1)
    assert np.array_equal(whole(opened.labels), patches(SIDE, SIDE, CODES, 24) - 1)
    (told,) = [warning for warning in warnings(caplog) if "no CRS" in warning]
    assert told.startswith("labels.tif: ")
    assert ("the image" in told.split(".")[1], "the label map" in told.split(".")[1]) == (not of_image, not of_labels)


def test_maps_with_a_crs_are_not_warned_of(caplog):
    open_maps(config_of(), 1)
    assert warnings(caplog) == []


@pytest.mark.parametrize("of_labels", PLACES)
@pytest.mark.parametrize("of_image", PLACES)
@pytest.mark.parametrize("part", [None, 0.35], ids=["whole", "rectangle"])
def test_labels_lie_right_on_rotated_and_south_up_maps(of_image, of_labels, part):
    put_image(place=PLACES[of_image])
    path = put_labels(place=PLACES[of_labels])
    grid, rect = grid_of(SIDE, SIDE, place=PLACES[of_image]), None
    if part is not None:
        west, south, east, north = grid.lonlat_bounds()
        margins = part * (east - west), part * (north - south)
        rect = [west + margins[0], south + margins[1], east - margins[0], north - margins[1]]
    opened = open_maps(of_maps(rect=rect), 1)
    x, y, width, height = opened.image.window
    assert (width < SIDE) == (part is not None)
    codes, inside = looked_up(path, grid)
    expected = np.where(inside, codes[0] - 1, NO_LABEL)[y : y + height, x : x + width]
    corners = np.array([(x + column, y + row) for column in (0, width - 100) for row in (0, height - 100)])
    for reader, pixels in ((opened.image, noise((3, SIDE, SIDE))), (opened.labels, None)):
        for tile, (column, row) in zip(reader.read(corners, 100), corners):
            if pixels is not None:
                assert np.array_equal(tile, pixels[:, row : row + 100, column : column + 100])
            else:
                there = expected[row - y : row - y + 100, column - x : column - x + 100]
                assert (tile[0] != there).mean() < TIES
    assert (whole(opened.labels) != expected).mean() < TIES and (expected != NO_LABEL).mean() > 0.3


def test_labels_of_one_half_leave_the_other_unlabelled(caplog):
    put_labels(patches(SIDE, SIDE // 2, CODES - 1, 24)[None])  # 0, which warping puts outside, is a class too
    opened = open_maps(config_of(), 1)
    assert (whole(opened.labels)[:, SIDE // 2 :] == NO_LABEL).all()
    assert (whole(opened.labels)[:, : SIDE // 2] != NO_LABEL).all()
    shares = opened.labels.proportions(np.array([(0, 0), (SIDE // 2, 0), (SIDE - 16, 99)]), 16).sum(1)
    assert shares.tolist() == [1, 0, 0]
    assert any("labels.tif: 50.0% of the part in use is labelled" in warning for warning in warnings(caplog))
    positions = np.concatenate([pool.positions for pool in opened.pools.values()])
    assert (positions[:, 0] < SIDE // 2).all()


def test_a_label_map_of_other_places_around_the_image(caplog):
    place, height, width = around(grid_of(SIDE, SIDE, place=HERE), LONLAT, 0.0002, (0, 0, 0.5, 1))
    put_labels(patches(height, width, CODES, 5)[None], crs=LONLAT, place=place)
    labels = open_maps(config_of(), 1).labels
    codes, inside = looked_up(Path("labels.tif"), labels.grid)
    assert (whole(labels) != np.where(inside, codes[0] - 1, NO_LABEL)).mean() < TIES
    assert any("of the part in use is labelled" in warning for warning in warnings(caplog))


@pytest.mark.skipif(not ZION.exists(), reason="the maps of Zion National Park are not here")
def test_a_crs_of_an_unknown_datum():
    image = TiffReader(ZION / "imagery.tif")
    path = ZION / "labels_nlcd2011.tif"
    labels = LabelReader(path, "nlcd", image)
    codes, inside = looked_up(path, image.grid)
    class_of = np.full(256, NO_LABEL)
    class_of[list(labels.legend.codes)] = np.arange(len(labels.legend))
    assert inside.mean() > 0.9
    assert (whole(labels) != np.where(inside, class_of[codes[0]], NO_LABEL)).mean() < TIES


def test_a_palette_of_sixteen_bits_with_codes_above_255():
    colormap = {code: (code % 256, code // 256, 40) for code in (1, 255, 256, 300, 60000)}
    codes = patches(SIDE, SIDE, np.array(list(colormap), "uint16"), 24)
    put_labels(codes[None], colormap=colormap)
    labels = open_maps(config_of(), 1).labels
    assert (labels.legend.codes, labels.legend.colors) == (tuple(colormap), tuple(colormap.values()))
    assert np.array_equal(np.array(labels.legend.codes)[whole(labels)], codes)


def test_a_broken_side_car_of_an_image_is_not_needed():
    Path("image.tif.aux.xml").write_text("<PAM")
    assert open_maps(config_of(), 1).image.width == SIDE
