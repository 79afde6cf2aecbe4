"""Image maps in many files on one grid: which pixel is whose, against slow loops over all files."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from maps_for_tests import at, noise, pieces, write_map
from mosaics_for_tests import RGBA, assert_same, composed, whole

from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.mosaic import Mosaic
from dataProcessors.tiffreader import TiffReader


@pytest.mark.parametrize(
    ("across", "down", "dtype", "layout"),
    [(8, 5, "uint8", {}), (3, 2, "uint16", {"tiled": True, "blockxsize": 64, "blockysize": 64}),
     (2, 3, "float32", {"nodata": -1})],
)  # fmt: skip
def test_files_cut_from_a_map_are_the_map(tmp_path, across, down, dtype, layout):
    pixels = noise((3, 300, 420), dtype)
    pixels[:, 100:140, 200:290] = -1 if dtype == "float32" else 0
    one = write_map(tmp_path / "one.tif", pixels, **layout)
    pieces(tmp_path / "cut", pixels, across, down, **layout)
    readers = [TiffReader(path, cache=tmp_path / "cache", threads=2) for path in (one, tmp_path / "cut" / "*.tif")]
    alone, cut = readers
    assert (cut.grid, cut.window, cut.has_validity, cut.bands) == (
        alone.grid, alone.window, alone.has_validity, alone.bands,
    )  # fmt: skip
    folders = [tmp_path / "cache" / reader.key for reader in readers]
    assert folders[0] != folders[1]
    for name in ("blocks.npy", "counts.npy", "overview.npy"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    about, other = cut.fingerprint(), alone.fingerprint()
    assert about["content"] == other["content"] and len(about["files"]) == across * down
    assert about["bytes"] == sum(os.path.getsize(path) for path in about["files"])
    assert about["path"].endswith(f"00 00.tif and {across * down - 1} more files") and cut.key.startswith("00_00-")
    direct = TiffReader(about["files"])  # without preparing, as programs of one's own may do
    assert np.array_equal(direct.read(np.array([[3, 90]]), 200), alone.read(np.array([[3, 90]]), 200), equal_nan=True)
    assert np.array_equal(direct.overview()[0], alone.overview()[0], equal_nan=True)
    decimated = direct.source.read_decimated(Window(5, 7, 400, 290), 16)
    bands = np.where(pixels == -1, np.nan, pixels) if dtype == "float32" else pixels
    assert np.array_equal(decimated, bands[:, 7:297:16, 5:405:16], equal_nan=True)


def overlapping(folder: Path) -> list[str]:
    """Files that overlap in different ways, with nodata, an alpha band, a mask, and none; there are gaps between."""
    holes = np.random.default_rng(1).random((60, 70)) < 0.4
    values = [noise((3, 60, 70), seed=seed) for seed in range(4)]
    values[0][:, holes] = 7
    alpha = np.concatenate([values[1], np.where(holes, 255, 0)[None].astype(np.uint8)])
    files = [
        write_map(folder / "nodata.tif", values[0], nodata=7),
        write_map(folder / "alpha.tif", alpha, place=at(20, -15), colorinterp=RGBA),
        write_map(folder / "mask.tif", values[2], place=at(-30, 25), mask=np.where(holes, 0, 255).astype(np.uint8)),
        write_map(folder / "plain.tif", values[3][:, :30, :20], place=at(150, 10)),
    ]
    return [str(path) for path in files]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_the_first_file_with_data_counts(tmp_path, order):
    files = overlapping(tmp_path)
    files = [files[i] for i in order]
    mosaic = Mosaic(files)
    assert (mosaic.grid.width, mosaic.grid.height) == (200, 100)
    assert mosaic.grid.transform.almost_equals(at(-30, -15), 1e-6)
    expected = composed(files, mosaic.grid)
    assert_same(whole(mosaic), expected)
    assert mosaic.without_data == {"no file has data": (~expected[1]).sum()}
    part = mosaic.read_window(25, 30, 60, 50)
    assert np.array_equal(part[:3], expected[0][:, 30:80, 25:85]) and np.array_equal(part[3], expected[1][30:80, 25:85])
    reader = TiffReader(files, cache=tmp_path / "cache")
    assert np.array_equal(reader.read(np.array([[0, 0]]), 100)[0], mosaic.read_window(0, 0, 100, 100))
    assert TiffReader(files[::-1], cache=tmp_path / "cache").key != reader.key


def test_floats_and_a_value_that_the_config_names(tmp_path):
    values = noise((2, 40, 50), "float32"), noise((2, 40, 50), "float32", 1)
    values[0][0, :20] = np.nan
    values[0][:, :, :9] = 5
    values[1][1, 10:30, 20:40] = np.inf
    files = [str(write_map(tmp_path / f"{i}.tif", each, place=at(12 * i, 5 * i))) for i, each in enumerate(values)]
    mosaic = Mosaic(files, nodata=5)
    assert not mosaic.has_validity
    assert_same(whole(mosaic), composed(files, mosaic.grid, nodata=5))
    assert mosaic.description["nodata"] == ImageSource(files[0], nodata=5).description["nodata"]


def test_rules_on_nodata_that_hold_everywhere_are_told(tmp_path):
    files = overlapping(tmp_path)
    assert Mosaic(files).description["nodata"] == [] != Mosaic(files[:1] * 2).description["nodata"]


def test_what_holds_for_all_files_is_said_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    pixels = noise((4, 10, 10))
    files = [str(write_map(tmp_path / f"{i}.tif", pixels, place=at(10 * i, 0), colorinterp=RGBA)) for i in range(5)]
    Mosaic(files)
    assert [record.message.partition(":")[0] for record in caplog.records if "alpha" in record.message] == files[:1]
    assert f"{files[0]} and 4 more files: 5 files on one grid of 50 x 10 pixels of 10 x 10 in EPSG:32632" in caplog.text
    assert not logging.getLogger("dataProcessors.rasters.bands").filters
