"""Features in the cache: computed once, whole, and made anew where a file is damaged or holds others."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from maps_for_tests import noise, write_map

from dataProcessors.cache import entries, remove, remove_unused, unused_files
from dataProcessors.features import FEATURES, FeatureStore
from dataProcessors.tiffreader import TiffReader

POSITIONS = np.array([[0, 1], [2, 3], [4, 5]])


class Counted:
    """Computes features, and counts how often."""

    def __init__(self):
        self.calls = 0

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        self.calls += 1
        return (positions * 0.5).astype(np.float32)


def computed(cache, compute, name="mine", key="map", size=8, positions=POSITIONS, **identity) -> int:
    """Return how often features were computed, after checking them."""
    before = compute.calls
    found = FeatureStore(cache, key, {"size": size}).stored(name, identity, compute)(positions)
    np.testing.assert_array_equal(found, positions * np.float32(0.5))
    assert found.dtype == np.float32
    return compute.calls - before


def test_features_are_computed_once(tmp_path):
    compute = Counted()
    assert [computed(tmp_path, compute) for _ in range(3)] == [1, 0, 0]
    others = {"name": "other"}, {"key": "b"}, {"size": 9}, {"positions": POSITIONS[::-1]}, {"version": 2}
    for other in others:
        assert [computed(tmp_path, compute, **other) for _ in range(2)] == [1, 0]
    assert len(list((tmp_path / FEATURES).iterdir())) == 6, "and no half file"


def test_without_a_cache_nothing_is_stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compute = Counted()
    assert [computed(None, compute) for _ in range(2)] == [1, 1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "foreign", "folderless"])
def test_a_damaged_or_foreign_file_is_made_anew(tmp_path, damage, caplog):
    compute = Counted()
    computed(tmp_path, compute)
    (path,) = (tmp_path / FEATURES).iterdir()
    whole = path.read_bytes()
    if damage == "foreign":
        computed(tmp_path, compute, positions=POSITIONS + 1)
        (other,) = set((tmp_path / FEATURES).iterdir()) - {path}
        shutil.copy(other, path)
    elif damage == "folderless":
        np.savez(path, features=np.zeros((3, 2), np.float32))
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"no archive"}[damage])
    assert [computed(tmp_path, compute) for _ in range(2)] == [1, 0]
    assert f"{path} is damaged" in caplog.text


def test_the_cache_lists_and_removes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = Path("data/cache")
    key = TiffReader(write_map(Path("a.tif"), noise((2, 200, 150))), cache=cache).key
    computed(cache, Counted(), key=key)
    assert [each.path.name for each in entries(cache)] == [key, FEATURES] and not unused_files(cache)
    computed(cache, Counted(), key="gone")
    (unused,) = unused_files(cache)
    assert [each.path for each in remove_unused(cache)] == [unused.path]
    assert len(list((cache / FEATURES).iterdir())) == 1
    remove(cache, [FEATURES])
    assert not (cache / FEATURES).exists()
