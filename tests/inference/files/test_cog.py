"""An embedded map as a Cloud Optimized GeoTIFF holds the stored vectors, one pixel a tile, and says what they are."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from embedded_for_tests import SHA, write_embedded
from maps_for_tests import CORNER, ROTATED_POLE
from processes_for_tests import process

from inference.core.embedded_map import open_embedded
from inference.files import cog
from inference.files.cog import write_cog
from inference.files.outputs import write_output
from storage import StorageError

SOUTH_UP = Affine(10, 0, 600_000, 0, 10, 5_500_000)  # rows from south to north
ROTATED = CORNER @ Affine.rotation(20)


def stored_in(path) -> np.ndarray:
    """The vectors (T, D) of the pixels, row by row."""
    with rasterio.open(path) as file:
        return file.read().reshape(file.count, -1).T


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("dimensions", [1, 2, 3, 4, 6])
def test_holds_the_stored_vectors(tmp_path, dtype, dimensions):
    embedded = write_embedded(tmp_path / "embedded", dimensions=dimensions, dtype=dtype)
    write_cog(embedded, tmp_path / "e.tif")
    assert np.array_equal(stored_in(tmp_path / "e.tif"), embedded.vectors, equal_nan=dtype == "float32")
    with rasterio.open(tmp_path / "e.tif") as file:
        assert file.dtypes == (dtype,) * dimensions
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == ("3" if dtype == "float32" else "2")
        masks = [*file.read_masks(), file.dataset_mask()]
        assert all(np.array_equal(mask.ravel() > 0, embedded.valid) for mask in masks), "no alpha, and nodata is known"
        back = file.read(masked=True).reshape(dimensions, -1).T * np.array(file.scales)
        assert not any(file.overviews(band) for band in file.indexes)
    valid = embedded.valid
    assert np.allclose(back[valid], embedded.embeddings(valid), atol=1e-7)
    assert {path.name for path in tmp_path.iterdir()} == {"embedded", "e.tif"}


@pytest.mark.parametrize(("side", "dimensions"), [(16, 70), (32, 20), (256, 6)])
def test_maps_of_several_blocks(tmp_path, monkeypatch, side, dimensions):
    embedded = write_embedded(tmp_path / "embedded", 41, 37, dimensions)
    monkeypatch.setattr(cog, "BLOCK_BYTES", side**2 * dimensions)
    write_cog(embedded, tmp_path / "e.tif")
    assert np.array_equal(stored_in(tmp_path / "e.tif"), embedded.vectors)
    with rasterio.open(tmp_path / "e.tif") as file:
        assert set(file.block_shapes) == {(side, side)}


@pytest.mark.parametrize("place", [CORNER, SOUTH_UP, ROTATED])
@pytest.mark.parametrize(("stride", "size"), [(16, 16), (8, 16), (40, 16), (5, 16)])
def test_a_pixel_lies_around_the_middle_of_its_tile(tmp_path, place, stride, size):
    embedded = write_embedded(tmp_path / "embedded", stride=stride, size=size, place=place)
    write_cog(embedded, tmp_path / "e.tif")
    with rasterio.open(tmp_path / "e.tif") as file:
        assert file.crs.to_epsg() == 32632
        for tile in (0, 3, 17, len(embedded.tiles) - 1):
            row, column = divmod(tile, embedded.tiles.columns)
            x, y = embedded.tiles.positions(np.array([tile]))[0] + size / 2
            assert np.allclose(file.transform @ (column + 0.5, row + 0.5), place @ (x, y))
        side = file.transform @ (1, 0), file.transform @ (0, 0)
        assert np.hypot(*np.subtract(*side)) == pytest.approx(10 * stride)


def test_a_crs_that_no_geotiff_holds_stands_beside_the_file(tmp_path):
    embedded = write_embedded(tmp_path / "embedded", crs=ROTATED_POLE)
    write_output(embedded, tmp_path / "e.tif")
    with rasterio.open(tmp_path / "e.tif") as file:
        assert file.crs == ROTATED_POLE
    assert {path.name for path in tmp_path.iterdir()} == {"embedded", "e.tif", "e.tif.aux.xml", "e.tif.json"}


def test_says_what_the_values_are(tmp_path):
    embedded = write_embedded(tmp_path / "embedded")
    write_cog(embedded, tmp_path / "e.tif")
    with rasterio.open(tmp_path / "e.tif") as file:
        assert file.descriptions == tuple(f"embedding {number}" for number in range(1, 7))
        assert file.scales == (1 / 127,) * 6
        assert file.offsets == (0,) * 6
        assert file.nodata == -128
        tags = file.tags()
    assert tags["EMBEDDING"].startswith(f"value = {1 / 127!r} * stored value; -128")
    assert tags["NETWORK_SHA256"] == SHA
    assert tags["STRIDE"].startswith("8 pixels")
    assert tags["IMAGE_SIZE"].startswith("16 pixels")


def test_a_map_without_a_crs_is_written(tmp_path):
    embedded = write_embedded(tmp_path / "embedded", crs=None)
    write_cog(embedded, tmp_path / "e.tif")
    with rasterio.open(tmp_path / "e.tif") as file:
        assert file.crs is None
        assert file.transform.a == 80


def test_equal_maps_give_equal_files(tmp_path):
    embedded = write_embedded(tmp_path / "embedded")
    for name in ("a.tif", "b.tif"):
        write_cog(embedded, tmp_path / name)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_rio_cogeo_validates_it(tmp_path):
    rio_cogeo = pytest.importorskip("rio_cogeo")
    for dtype, dimensions in (("int8", 64), ("float32", 3)):
        embedded = write_embedded(tmp_path / dtype, 30, 20, dimensions, dtype)
        write_cog(embedded, tmp_path / "e.tif")
        assert rio_cogeo.cog_validate(str(tmp_path / "e.tif"), strict=True) == (True, [], [])


def test_a_broken_write_leaves_what_was_there(tmp_path, monkeypatch):
    embedded = write_embedded(tmp_path / "embedded")
    out = tmp_path / "out"
    out.mkdir()
    (out / "e.tif").write_text("before")
    whole = cog._copy_as_cog

    def cut_off(embedded, plain, copy):
        whole(embedded, plain, copy)
        copy.write_bytes(copy.read_bytes()[:-600])

    monkeypatch.setattr(cog, "_copy_as_cog", cut_off)
    with pytest.raises(StorageError, match=r"e\.tif: "):
        write_cog(embedded, out / "e.tif")
    assert [path.name for path in out.iterdir()] == ["e.tif"]
    assert (out / "e.tif").read_text() == "before"


def killed_before_it_looks(folder: Path, out: Path) -> None:
    """Write a file in this process, which ends as if it were killed."""
    cog._holds = lambda *arguments: os._exit(9)
    write_cog(open_embedded(folder), out)


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    embedded = write_embedded(tmp_path / "embedded")
    out = tmp_path / "out" / "e.tif"
    child = process(killed_before_it_looks, embedded.folder, out)
    child.join(120)
    assert child.exitcode == 9
    assert not out.exists() and list(out.parent.iterdir())
    write_cog(embedded, out)
    assert [path.name for path in out.parent.iterdir()] == ["e.tif"]


def test_too_small_a_disk_is_told_before(tmp_path, monkeypatch):
    embedded = write_embedded(tmp_path / "embedded")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100}))
    with pytest.raises(StorageError, match=r"e\.tif: writing it needs up to 0\.0 MB, 0\.0 MB are free"):
        write_cog(embedded, tmp_path / "e.tif")
    assert {path.name for path in tmp_path.iterdir()} == {"embedded"}
