"""Large rasters: parts, nearest overviews, and files of which only a part could be written."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from maps_for_tests import ROTATED_POLE, grid_of

from dataProcessors.class_tables.class_names import category_names_xml, names_of_file, vrt_of
from dataProcessors.rasters.grid import Window
from inference.files.raster_file import (
    DEFLATE,
    RUNS,
    TILE,
    RasterFile,
    bytes_needed,
    is_whole,
    overview_factors,
    write_part,
    write_side_file,
)
from storage import StorageError

GRID, WINDOW = grid_of(1500, 1300), Window(30, 20, 1400, 1100)
PALETTE = {code: (code, 2 * code, 9, 255) for code in (1, 5, 9)} | {255: (0, 0, 0, 0)}


def codes(seed=0):
    return np.random.default_rng(seed).choice(np.array([1, 5, 9, 255], np.uint8), (WINDOW.height, WINDOW.width))


def write(path, compression=DEFLATE, pixels=None, palette=PALETTE, grid=GRID):
    pixels = codes()[None] if pixels is None else pixels
    names = tuple(f"band {number}" for number in range(len(pixels)))
    raster = RasterFile(path, "uint8", 255, names, compression, palette)
    with raster.open(grid, WINDOW) as file:
        for top in range(0, WINDOW.height, TILE):
            for left in range(0, WINDOW.width, 2 * TILE):
                write_part(file, (left, top), pixels[:, top : top + TILE, left : left + 2 * TILE])
        assert not path.exists(), "it appears when it is whole"
    return raster


@pytest.mark.parametrize("compression", [DEFLATE, RUNS])
def test_pixels_place_and_overviews_of_codes_that_are_there(tmp_path, compression):
    write(tmp_path / "a.tif", compression)
    pixels = codes()
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1), pixels)
        assert file.transform @ (0, 0) == GRID.transform @ (30, 20) and file.crs == GRID.crs
        assert file.overviews(1) == overview_factors(WINDOW) == [2, 4]
        assert file.profile["compress"] == compression["compress"] and file.block_shapes == [(256, 256)]
        assert all(file.colormap(1)[code] == colour for code, colour in PALETTE.items())
    with rasterio.open(tmp_path / "a.tif", overview_level=0) as file:
        half = file.read(1)
    blocks = np.stack([pixels[y::2, x::2] for y in range(2) for x in range(2)])
    assert (half == blocks).any(0).all(), "each is one of its four pixels"
    write(tmp_path / "b.tif", compression)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_crs_that_no_geotiff_holds_stands_beside_the_file_with_the_names(tmp_path):
    write(tmp_path / "a.tif", grid=grid_of(1500, 1300, crs=ROTATED_POLE))
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "a.tif.aux.xml"}
    write_side_file(tmp_path / "a.tif", category_names_xml(["", "water"]))
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.crs == ROTATED_POLE and file.transform @ (0, 0) == GRID.transform @ (30, 20)
        assert [row.name for row in names_of_file(file.name, vrt_of(file), 1).rows] == ["water"]


def test_a_replaced_raster_leaves_no_crs_behind(tmp_path):
    """Who is told to remove a file removes that file alone."""
    write(tmp_path / "a.tif", grid=grid_of(1500, 1300, crs=ROTATED_POLE))
    (tmp_path / "a.tif").unlink()
    write(tmp_path / "a.tif")
    write_side_file(tmp_path / "a.tif", category_names_xml(["", "water"]))
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.crs == GRID.crs
        assert [row.name for row in names_of_file(file.name, vrt_of(file), 1).rows] == ["water"]


def test_a_small_raster_has_no_overviews():
    assert overview_factors(Window(0, 0, 512, 100)) == []
    assert overview_factors(Window(0, 0, 513, 100)) == [2]
    assert overview_factors(Window(5, 5, 20_000, 20_000)) == [2, 4, 8, 16, 32, 64]


def test_a_file_without_its_end_is_not_whole(tmp_path):
    path = tmp_path / "a.tif"
    write(path, pixels=np.stack([codes(seed) for seed in range(3)]), palette=None)
    assert is_whole(path, 2) and not is_whole(path, 3)
    content = path.read_bytes()
    for share in (0.999, 0.9, 0.5, 0.1, 0.001, 0):
        path.write_bytes(content[: int(len(content) * share)])
        assert not is_whole(path, 2), share


def test_blocks_that_were_never_written_are_missed(tmp_path):
    raster = RasterFile(tmp_path / "a.tif", "uint8", 255, ("a",), {**DEFLATE, "sparse_ok": True})
    with pytest.raises(StorageError, match="only a part of it could be"), raster.open(GRID, WINDOW) as file:
        write_part(file, (0, 0), codes()[None, :TILE, :TILE])
    assert not list(tmp_path.iterdir())


def test_an_error_leaves_no_file(tmp_path):
    raster = RasterFile(tmp_path / "a.tif", "uint8", 255, ("a",), RUNS)
    with pytest.raises(KeyError), raster.open(GRID, WINDOW):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_space_for_all_files_together():
    files = [RasterFile(Path(f"{name}.tif"), "uint16", 0, ("a", "b"), RUNS) for name in "ab"]
    assert bytes_needed(files, WINDOW, 0.5) == WINDOW.width * WINDOW.height * 8 // 2
