"""Label maps on the image's grid: where their pixels come to lie."""

import numpy as np
import pytest
from labels_for_tests import LAEA, PART, TIES, differing, labels_in, opened, whole
from maps_for_tests import CORNER, LONLAT, UTM32, around, grid_of, looked_up, noise, patches, write_map
from rasterio.crs import CRS

from dataProcessors.labels.label_source import LabelSource
from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader


@pytest.mark.parametrize(
    ("crs", "pixel"),
    [(LONLAT, 0.00008), (LONLAT, 0.0004), (LAEA, 3.0), (LAEA, 25.0), (LAEA, 100.0), (CRS.from_epsg(32633), 10.0),
     (UTM32, 10.0), (UTM32, 7.3)],
)  # fmt: skip
def test_every_pixel_is_the_nearest_of_the_label_map(image, tmp_path, crs, pixel):
    path = labels_in(image, tmp_path, range(1, 45), crs, pixel, side=1)
    classes = whole(opened(path, image, "clc"))
    codes, inside = looked_up(path, image.grid)
    assert 0.5 < inside.mean() < 0.8
    assert differing(classes, np.where(inside, codes[0] - 1, NO_LABEL)) < TIES


def test_a_rotated_image_and_a_south_up_label_map(tmp_path):
    rotated = CORNER @ CORNER.rotation(25)
    image = TiffReader(write_map(tmp_path / "image.tif", noise((3, 200, 200)), place=rotated))
    place, height, width = around(image.grid, LONLAT, 0.0003, (0, 0, 1, 1))
    south_up = place.translation(place.c, place.f - height * 0.0003) @ place.scale(0.0003, 0.0003)
    codes = patches(height, width, np.arange(1, 45, dtype="uint8"), 3)
    path = write_map(tmp_path / "l.tif", codes[None], LONLAT, south_up)
    codes, inside = looked_up(path, image.grid)
    assert inside.mean() > 0.6
    assert differing(whole(opened(path, image, "clc")), np.where(inside, codes[0] - 1, NO_LABEL)) < TIES


def test_prepared_and_direct_reading_agree(image, tmp_path):
    path = labels_in(image, tmp_path, range(1, 45))
    direct, prepared = opened(path, image, "clc"), opened(path, image, "clc", cache=tmp_path / "cache", threads=2)
    positions = np.array([(0, 0), (130, 101), (250, 210), (60, 26)])
    assert np.array_equal(direct.read(positions, 50), prepared.read(positions, 50))
    classes = whole(direct)
    wanted = [[(classes[y : y + 50, x : x + 50] == c).sum() for c in range(44)] for x, y in positions]
    wanted = np.array(wanted) / np.maximum(np.sum(wanted, 1, keepdims=True), 1)
    assert np.allclose(prepared.proportions(positions, 50), wanted, atol=1e-6)
    counts = np.stack([[(classes[y : y + 128, x : x + 128] == c).sum() for x in (0, 128, 256)]
                       for c in range(44) for y in (0, 128, 256)]).reshape(44, 3, 3)  # fmt: skip
    assert np.array_equal(prepared.summary.counts, counts)
    estimated = direct.summary.counts.sum(0).astype(int)
    assert np.abs(estimated - counts.sum(0)).max() < 0.25 * 128**2 and not direct.summary.exact


def test_a_label_map_of_the_whole_world(image, tmp_path):
    place = CORNER.scale(0.5, -0.5) @ CORNER.translation(-360, -180)
    codes = patches(360, 720, np.arange(1, 45, dtype="uint8"), 1)
    path = write_map(tmp_path / "world.tif", codes[None], LONLAT, place)
    assert differing(whole(opened(path, image, "clc")), looked_up(path, image.grid)[0][0] - 1) < TIES


def test_labels_without_crs_need_the_images_size(image, tmp_path):
    codes = patches(260, 300, np.arange(1, 45, dtype="uint8"), 5)
    same = write_map(tmp_path / "same.tif", codes[None], crs=None, nodata=3)
    assert np.array_equal(whole(opened(same, image, "clc")), np.where(codes == 3, NO_LABEL, codes - 1))
    other = write_map(tmp_path / "other.tif", codes[None, :, :299], crs=None)
    with pytest.raises(MapError, match=r"The image has 300 x 260 pixels, the label map 299 x 260"):
        opened(other, image, "clc")


def test_image_without_crs(tmp_path):
    image = TiffReader(write_map(tmp_path / "image.tif", noise((3, 60, 50)), crs=None))
    path = write_map(tmp_path / "l.tif", patches(60, 50, np.arange(1, 45, dtype="uint8"), 5)[None], crs=None)
    assert (whole(opened(path, image, "clc")) != NO_LABEL).all()


def test_a_source_reads_any_window(tmp_path):
    grid = grid_of(200, 150)
    place, height, width = around(grid, LONLAT, 0.0003, PART)
    path = write_map(tmp_path / "l.tif", noise((1, height, width)), LONLAT, place)
    source = LabelSource(path, grid)
    values, valid = source.read_raw(0, 0, 200, 150)
    part, part_valid = source.read_raw(63, 40, 90, 80)
    assert np.array_equal(part, values[:, 40:120, 63:153])
    assert np.array_equal(part_valid, valid[40:120, 63:153])
