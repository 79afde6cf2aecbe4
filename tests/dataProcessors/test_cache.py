"""The cache: what is listed, what no run would use, and what is removed."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from maps_for_tests import noise, write_map

import main
from config import UserError
from dataProcessors.cache import entries, remove, remove_unused, unused_files
from dataProcessors.sampling.pool import Pool
from dataProcessors.tiffreader import TiffReader
from reporting.cache_table import cache_lines, format_size
from storage import Lock


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache with the prepared maps of a.tif and b.tif, a pool of them, and a choice of precision."""
    monkeypatch.chdir(tmp_path)
    cache = Path("data/cache")
    keys = [prepare(name, seed) for seed, name in enumerate(("a.tif", "b.tif"))]
    pool = Pool(np.zeros((1, 2), np.int64), np.ones((1, 1), np.float32))
    pool.save(cache / "pools/fit-0.npz", keys)
    (cache / "precision").mkdir()
    (cache / "precision/0.json").write_text("no JSON")
    (cache / "notes").mkdir()  # of the user
    return cache


def prepare(name: str, seed: int) -> str:
    """Write and prepare a map, and let go of it; return its name in the cache."""
    return TiffReader(write_map(Path(name), noise((2, 200, 150), seed=seed)), cache="data/cache").key


def named(cache: Path) -> dict:
    return {each.path.name.partition("-")[0]: each for each in entries(cache)}


def lines(cache: Path, *words: str, unused=False) -> str:
    return "\n".join(cache_lines(cache, words, unused))


def test_the_list_has_sizes_and_sources(cache):
    found = named(cache)
    assert list(found) == ["a", "b", "pools", "precision"]
    assert found["a"].about == "a.tif" and not any(each.is_unused for each in found.values())
    folder = found["a"].path
    assert found["a"].size == sum(path.stat().st_size for path in folder.iterdir()) > 2 * 256 * 256
    told = lines(cache)
    assert folder.name in told and f" {format_size(found['a'].size)} " in told
    assert "damaged; the next run measures again" in told
    assert "unused" not in told


def test_a_map_that_is_moved_with_its_time_is_found_again_and_its_new_place_is_kept(cache):
    os.mkdir("other disk")
    shutil.move("a.tif", "other disk/a.tif")
    assert named(cache)["a"].is_unused
    before = named(cache)["a"].path
    assert TiffReader("other disk/a.tif", cache=cache).key == before.name
    assert len(entries(cache)) == 4 and named(cache)["a"].about == "other disk/a.tif"
    assert not named(cache)["a"].is_unused


def test_equal_size_and_time_are_not_enough(cache):
    os.mkdir("2021")
    other = write_map(Path("2021/a.tif"), noise((2, 200, 150), seed=7))
    about = os.stat("a.tif")
    os.utime(other, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert os.stat(other).st_size == about.st_size
    assert TiffReader(other, cache=cache).key != TiffReader("a.tif", cache=cache).key


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: os.remove("a.tif"), "a.tif is gone"),
        (lambda folder: write_map(Path("a.tif"), noise((2, 90, 90))), "a.tif has changed"),
        (lambda folder: (folder / "about.json").write_text('{"source": "a.tif", "format": 0}'), "another revision"),
        (lambda folder: (folder / "about.json").unlink(), "damaged"),
    ],
)
def test_what_no_run_would_use_is_told_and_removed(cache, change, told):
    folder = named(cache)["a"].path
    change(folder)
    assert told in named(cache)["a"].about and named(cache)["a"].is_unused
    assert [each.path.name for each in unused_files(cache)] == ["fit-0.npz"]
    assert "python main.py cache remove --unused" in lines(cache) and "(1 unused)" in lines(cache)
    assert str(folder) in lines(cache, "remove", unused=True)
    assert list(named(cache)) == ["b", "pools", "precision"] and not list((cache / "pools").iterdir())
    assert not remove_unused(cache) and (cache / "notes").exists()


def test_a_broken_off_preparation_is_unused(cache, monkeypatch):
    folder = cache / ".part-0123abcd-folder"
    folder.mkdir()
    lock = Lock.acquire(folder)
    assert named(cache)[".part"].about == "being prepared" and not remove_unused(cache)
    lock.release()
    with monkeypatch.context() as patch:
        patch.setattr("storage.lock.fcntl", None)  # no locks: it may be going on
        assert not named(cache)[".part"].is_unused
    assert named(cache)[".part"].is_unused
    assert [each.path.name for each in remove_unused(cache)] == [".part-0123abcd-folder"]


def test_a_preparation_that_may_go_on_is_kept_while_its_source_is_there(cache, monkeypatch):
    write_map(Path("c.tif"), noise((1, 100, 100)))

    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dataProcessors.prepared.preparation.Preparation.run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        TiffReader("c.tif", cache=cache)
    entry = named(cache)["c"]
    assert "c.tif; not complete: a run goes on with it" in entry.about and not entry.is_unused
    os.remove("c.tif")
    assert named(cache)["c"].is_unused
    assert entry.path in [each.path for each in remove_unused(cache)]


def test_a_map_in_use_is_never_removed(cache):
    reader = TiffReader("a.tif", cache=cache)
    os.remove("a.tif")
    assert "(unused) (in use)" in lines(cache)
    with pytest.raises(UserError, match=r"in use\. Nothing was removed"):
        remove(cache, [named(cache)["b"].path.name, reader.key])
    assert [each.path.name for each in remove_unused(cache)] == ["fit-0.npz"]
    assert {"a", "b"} < set(named(cache))
    del reader
    assert len(remove_unused(cache)) == 1


def test_names_are_removed_all_or_none(cache, capsys):
    a, b = (named(cache)[name].path for name in "ab")
    assert main.main(["cache", "remove", a.name, "nosuch"]) == 2
    assert "holds no nosuch. Nothing was removed. python main.py cache lists" in capsys.readouterr().err
    assert a.exists()
    assert main.main(["cache", "remove", a.name, str(b), "pools"]) == 0
    assert "Removed: " in capsys.readouterr().out
    assert list(named(cache)) == ["precision"] and not list(cache.glob(".part-*"))


@pytest.mark.parametrize("words", [("remove",), ("a",), ("remove", "a", "--unused"), ("--unused",), ("clear",)])
def test_other_words_are_refused(cache, capsys, words):
    assert main.main(["cache", *words]) == 2
    assert "cache takes nothing, or remove and either names or --unused" in capsys.readouterr().err
    assert len(entries(cache)) == 4


def test_a_cache_that_is_not_there_is_empty(tmp_path):
    assert lines(tmp_path / "cache") == f"{tmp_path / 'cache'} is empty."
    assert format_size(0) == "0 bytes" and format_size(1_234_000_000) == "1.23 GB"


@pytest.mark.parametrize("cached", [True, False])
def test_the_hash_of_the_content_is_that_of_the_pixels(cache, cached):
    """It stays where the file is stored anew, and changes with the pixels; both with a cache and without one."""
    folder = cache if cached else None
    pixels = noise((2, 200, 150))
    plain, compressed = write_map(Path("c.tif"), pixels), write_map(Path("d.tif"), pixels, compress="deflate")
    changed = pixels.copy()
    changed[1, 199, 149] += 1  # the last pixel of the last sample
    other = write_map(Path("e.tif"), changed)
    first, second, third = (
        TiffReader(path, cache=folder).fingerprint()["content"] for path in (plain, compressed, other)
    )
    assert first == second != third
