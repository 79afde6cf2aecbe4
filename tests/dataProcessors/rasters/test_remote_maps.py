"""Maps that a server of this machine sends: the right pixels, and how much is fetched."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from maps_for_tests import CORNER, grid_of, noise, patches, write_map
from remote_for_tests import BLOCK, SIDE, START, TILE, random_tiles

from dataProcessors.label_reader import LabelReader
from dataProcessors.prepared.preparation import BLOCKS
from dataProcessors.rasters.feature_raster import AlignedRaster, FeatureRaster
from dataProcessors.rasters.grid import Window
from dataProcessors.tiffreader import TiffReader

pytestmark = pytest.mark.usefixtures("pauses")


def bytes_of_blocks(path: Path, windows) -> int:
    """The compressed bytes of the distinct blocks that windows (x, y, width, height) touch."""
    touched = set()
    for x, y, width, height in windows:
        columns, rows = (
            range(x // BLOCK, (x + width - 1) // BLOCK + 1),
            range(y // BLOCK, (y + height - 1) // BLOCK + 1),
        )
        touched |= set(itertools.product(columns, rows))
    with rasterio.open(path) as file:
        return sum(int(file.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1)) for x, y in touched)


def rect_of(window: Window) -> tuple[float, float, float, float]:
    return grid_of(SIDE, SIDE).part(window).lonlat_bounds()


def test_only_the_rectangle_is_fetched_and_only_once(cog, far, tmp_path):
    window = Window(300, 200, 350, 300)
    readers = [TiffReader(each, rect=rect_of(window), cache=tmp_path / name, threads=3)
               for each, name in ((cog, "near"), (far.url, "far"))]  # fmt: skip
    near, remote = readers
    sent = far.behaviour().sent
    assert sent <= 1.05 * bytes_of_blocks(cog, [near.window]) + START
    assert sent < 0.4 * cog.stat().st_size
    blocks = [np.load(tmp_path / name / reader.key / BLOCKS) for name, reader in zip(("near", "far"), readers)]
    assert np.array_equal(*blocks)
    far.behave(asked=[])
    assert TiffReader(far.url, rect=rect_of(window), cache=tmp_path / "far").key == remote.key
    assert far.behaviour().sent <= START  # an unchanged map is not fetched again


@pytest.mark.parametrize("number", [5, 40, 300])
def test_tiles_without_a_cache_fetch_each_block_once(cog, far, number):
    reader, positions = TiffReader(far.url, threads=3), random_tiles(number)
    far.behave(asked=[])
    with ThreadPoolExecutor(2) as pool:  # as batches are read ahead
        tiles = np.concatenate(list(pool.map(lambda part: reader.read(part, TILE), np.array_split(positions, 5))))
    assert far.behaviour().sent <= 1.3 * bytes_of_blocks(cog, [(*xy, TILE, TILE) for xy in positions.tolist()])
    assert np.array_equal(tiles, TiffReader(cog).read(positions, TILE))


def test_a_map_that_holds_data_everywhere_is_opened_by_its_header_alone(far):
    assert TiffReader(far.url).summary.counts.sum() == SIDE * SIDE
    assert far.behaviour().sent <= START


def test_label_maps_and_rasters_of_features_may_be_far_away(server, cog, tmp_path):
    codes = patches(SIDE // 2, SIDE // 2, np.arange(1, 5, dtype=np.uint8), 16)[None]
    place = CORNER @ CORNER.scale(2)
    labels = write_map(tmp_path / "labels.tif", codes, place=place, tiled=True, compress="deflate")
    url = server.put(labels.read_bytes(), "labels.tif").url
    image, positions = TiffReader(cog), random_tiles(20)
    far, near = (LabelReader(each, "fields", image, threads=2) for each in (url, labels))
    assert np.array_equal(far.read(positions, TILE), near.read(positions, TILE))
    assert far.legend.codes == near.legend.codes
    values = [AlignedRaster(FeatureRaster(str(each)), image.grid, image.window) for each in (url, labels)]
    assert np.array_equal(*(each.read(positions, TILE) for each in values))


def test_files_of_one_map_may_be_here_and_far_away(server, tmp_path):
    pixels = noise((1, 200, 400))
    west = write_map(tmp_path / "west.tif", pixels[:, :, :250])
    east = write_map(tmp_path / "east.tif", pixels[:, :, 250:], place=CORNER @ CORNER.translation(250, 0))
    far = server.put(east.read_bytes())
    reader = TiffReader([str(west), far.url], cache=tmp_path / "cache")
    assert np.array_equal(reader.read(np.array([[150, 0]]), 200)[0], pixels[:, :, 150:350])
    far.behave(etag='"2"')
    assert TiffReader([str(west), far.url], cache=tmp_path / "cache").key != reader.key
