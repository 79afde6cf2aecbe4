"""Prepared maps and pools in the cache that are damaged: made again, with a warning."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fields_for_tests import config_of
from maps_for_tests import looked_up
from runs_for_tests import SIDE

from dataProcessors.maps import open_maps

pytestmark = pytest.mark.usefixtures("fields")


def rewritten(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def of_another_shape(path):
    np.save(path, np.zeros((2, 2), np.uint8))


def of_another_window(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"window": [0, 0, 128, 128]}))


FILES = ["about.json", "blocks.npy", "counts.npy", "overview.npy"]
DAMAGES = {
    "missing": Path.unlink, "empty": rewritten(lambda content: b""), "cut": rewritten(lambda content: content[:-9]),
    "no text": rewritten(lambda content: b"\xff\xfe" + content),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, each) for name in FILES for each in DAMAGES),
        ("about.json", of_another_window), ("blocks.npy", of_another_shape), ("counts.npy", of_another_shape),
        ("overview.npy", of_another_shape),
    ],
)  # fmt: skip
@pytest.mark.parametrize("which", ["image", "labels"])
def test_a_damaged_prepared_map_is_made_again(caplog, which, name, damage):
    before = open_maps(config_of(), 1)
    folder = Path("data/cache") / getattr(before, which).key
    Path("data/cache").rename("used")  # what is mapped into memory still must not change
    shutil.copytree("used", "data/cache")
    DAMAGES.get(damage, damage)(folder / name)
    again = open_maps(config_of(), 1)
    assert f"{folder}: the prepared map is damaged" in caplog.text
    positions = np.array([(0, 0), (120, 90), (SIDE - 130, SIDE - 130)])
    with rasterio.open("image.tif") as file:
        pixels = file.read()
    for tile, (x, y) in zip(again.image.read(positions, 130), positions):
        assert np.array_equal(tile, pixels[:, y : y + 130, x : x + 130])
    codes = looked_up(Path("labels.tif"), again.image.grid)[0][0]
    for tile, (x, y) in zip(again.labels.read(positions, 130), positions):
        assert np.array_equal(tile[0] + 1, codes[y : y + 130, x : x + 130])
    assert sorted(entry.name for entry in folder.iterdir()) == FILES


@pytest.mark.parametrize(
    "change",
    [lambda content: content[: len(content) // 2], lambda content: content[:-1], lambda content: b"no zip",
     lambda content: b"", lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:]],
    ids=["half", "one byte short", "no zip", "empty", "a flipped byte"],
)  # fmt: skip
@pytest.mark.parametrize("role", ["fit", "score"])
def test_a_damaged_pool_is_made_again(caplog, role, change):
    opened = open_maps(config_of(), 1)
    before = opened.pools
    (path,) = Path("data/cache/pools").glob(f"{role}-*.npz")
    content = path.read_bytes()
    path.write_bytes(change(content))
    after = replace(opened).pools
    assert "The pool is drawn again" in caplog.text
    for name in before:
        assert np.array_equal(before[name].positions, after[name].positions)
        assert np.array_equal(before[name].proportions, after[name].proportions)
    assert path.read_bytes() == content
