"""Preparing a map: interrupted and gone on with, by two at once, from a damaged file, on a full disk."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from maps_for_tests import noise, write_map
from readers_for_tests import TILED, assert_reads, folders, read_by_rasterio

from dataProcessors.prepared import kept_folder, preparation
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.opening import MapError
from dataProcessors.tiffreader import TiffReader


def interrupt(*_) -> None:
    raise KeyboardInterrupt


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("damage", [False, True])
def test_an_interrupted_preparation_goes_on_where_it_was(tmp_path, monkeypatch, damage):
    pixels = noise((2, 700, 900))
    pixels[:, 30:40, 600:] = 0
    path = write_map(tmp_path / "a.tif", pixels, nodata=0, tiled=True, blockxsize=256, blockysize=256)
    whole = TiffReader(path, cache=tmp_path / "whole")  # four chunks
    read, calls, limit = ImageSource.read_counted, [], 0

    def interrupted(self, *window):
        if len(calls) == limit:
            raise KeyboardInterrupt
        calls.append(window)
        return read(self, *window)

    monkeypatch.setattr(ImageSource, "read_counted", interrupted)
    for reads in (1, 2):
        limit = reads
        with pytest.raises(KeyboardInterrupt):
            TiffReader(path, cache=tmp_path / "cache")
        (unfinished,) = (tmp_path / "cache").iterdir()
        assert unfinished.suffix == ".incomplete"
        with open(unfinished / "finished.jsonl", "a") as file:
            file.write('\n{"row": 0, "colu')  # and the process is killed
    if damage:  # the disk lost the pixels of the first chunk, and not its line
        blocks = np.load(unfinished / "blocks.npy", mmap_mode="r+")
        blocks[0, 1] += 1
        blocks.flush()
    limit = -1
    assert TiffReader(path, cache=tmp_path / "cache").key == whole.key
    assert len(calls) == 4 + damage and len(set(calls)) == 4
    assert files_of(tmp_path / "cache" / whole.key) == files_of(tmp_path / "whole" / whole.key)


def test_a_file_that_changed_after_an_interruption_is_prepared_from_its_beginning(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", noise((1, 300, 1200)))
    with monkeypatch.context() as patch:
        patch.setattr(preparation.Preparation, "_write_summary", interrupt)
        with pytest.raises(KeyboardInterrupt):
            TiffReader(path, cache=tmp_path / "cache")
    write_map(path, noise((1, 300, 1200), seed=1))
    assert_reads(path, tmp_path, sizes=(96,))


def test_what_cannot_be_gone_on_with_is_begun_again(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((1, 300, 400)))
    key = TiffReader(path, cache=tmp_path / "other").key
    unfinished = tmp_path / "cache" / f"{key}.incomplete"
    unfinished.mkdir(parents=True)
    np.save(unfinished / "blocks.npy", np.zeros((1, 2)))
    assert_reads(path, tmp_path, sizes=(96,))


def test_a_damaged_source_is_found_in_the_preparation(tmp_path):
    path = write_map(tmp_path / "a.tif", noise((3, 600, 600)), **TILED, compress="deflate")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = bytes(5000)
    path.write_bytes(content)
    with pytest.raises(MapError, match="cannot be read"):
        TiffReader(path, cache=tmp_path / "cache")
    assert folders(tmp_path / "cache") == []


def test_two_that_prepare_the_same_map_both_end_well(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 400)))
    together, wait_for = threading.Barrier(2, timeout=20), kept_folder._wait_for
    monkeypatch.setattr(kept_folder, "_wait_for", lambda *a: (together.wait(), wait_for(*a))[1])  # both need it at once
    monkeypatch.setattr(kept_folder, "WAIT", 0.01)

    def prepare(_):
        return TiffReader(path, cache=tmp_path / "cache").read(np.array([[200, 150]]), 96)

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(prepare, range(2)))
    expected = read_by_rasterio(path, np.array([[200, 150]]), 96)
    assert all(np.array_equal(tiles, expected) for tiles in found)
    assert len(folders(tmp_path / "cache")) == 1


def test_a_full_disk_is_told_before_it_is_written(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", noise((3, 300, 400)))
    monkeypatch.setattr(preparation.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(MapError, match=r"needs 0\.00 GB, 0\.00 GB are free"):
        TiffReader(path, cache=tmp_path / "cache")
    assert folders(tmp_path / "cache") == []
