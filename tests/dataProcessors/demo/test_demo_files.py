"""The files of the demo map: made once, the same for the same seed, and whole or not at all."""

import multiprocessing
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio

from dataProcessors import demo
from dataProcessors.demo import files, make_demo
from dataProcessors.demo.scene import make_scene


@pytest.fixture
def known_scenes(monkeypatch):
    """Have every landscape be made only once: these tests look at files."""
    monkeypatch.setattr("dataProcessors.demo.scene.make_scene", known_scene)


known_scene = cache(make_scene)


def test_equal_seeds_give_equal_files_and_other_seeds_do_not(small, tmp_path):
    again = make_demo(tmp_path / "again", size=640, seed=3)
    other = make_demo(tmp_path / "other", size=640, seed=4)
    for name in ("image", "osm", "clc"):
        a, b, c = (rasterio.open(getattr(paths, name)).read() for paths in (small, again, other))
        assert np.array_equal(a, b)
        assert a.shape != c.shape or (a != c).mean() > 0.1


def test_files_say_they_are_synthetic(small, known_scenes, tmp_path, capsys):
    for path in small:
        assert "synthetic" in path.name
        with rasterio.open(path) as source:
            assert source.tags()["SYNTHETIC"] == "YES"
            assert "SYNTHETIC" in source.tags()["TIFFTAG_IMAGEDESCRIPTION"]
    assert "SYNTHETIC" in (small.image.parent / "README.txt").read_text()
    make_demo(tmp_path, size=512)
    assert "SYNTHETIC" in capsys.readouterr().out


def test_what_is_there_is_not_made_again(small, capsys, monkeypatch):
    before = [path.stat().st_mtime_ns for path in small]
    monkeypatch.setattr(demo, "_write", lambda *_: pytest.fail("the landscape was made again"))
    assert make_demo(small.image.parent, size=640, seed=3) == small
    assert [path.stat().st_mtime_ns for path in small] == before
    assert capsys.readouterr().out == ""


def test_another_size_or_seed_in_the_same_folder_is_made(known_scenes, tmp_path):
    make_demo(tmp_path, size=512)
    paths = make_demo(tmp_path, size=560, seed=5)
    with rasterio.open(paths.image) as image:
        assert image.shape == (560, 560)
        assert image.tags()["DEMO_SEED"] == "5"


@pytest.mark.parametrize("stage", ["write_osm", "write_clc", "write_image"])
def test_interrupted_making_leaves_nothing(known_scenes, tmp_path, monkeypatch, stage):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, stage, interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path, size=512)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_is_made_again(known_scenes, tmp_path):
    paths = make_demo(tmp_path, size=512)
    os.remove(paths.clc)
    make_demo(tmp_path, size=512)
    assert paths.clc.exists()


def test_two_processes_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=make_demo, args=(tmp_path, 512)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    names = {"synthetic-image.tif", "synthetic-osm.tif", "synthetic-clc.tif", "README.txt"}
    assert {path.name for path in tmp_path.iterdir()} == names
    with rasterio.open(tmp_path / "synthetic-image.tif") as image:
        image.read()


def test_too_small_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 512"):
        make_demo(Path(tmp_path) / "none", size=100)
    assert not (tmp_path / "none").exists()
