"""Yardsticks: which feature sets there are, what those of rasters hold, and that they are computed once."""

import json
from pathlib import Path

import numpy as np
import pytest
from maps_for_tests import CORNER, noise, patches, write_map

from config import ConfigError, validate
from config.types import BUILT_IN_FEATURES
from dataProcessors.maps import open_maps
from evaluation.segmentation import COARSENED
from reporting.feature_sets import CHANCE, TRAINED, YARDSTICKS, in_order, is_yardstick, look
from training.scoring import yardsticks as module
from training.scoring.yardsticks import open_rasters, yardsticks

SIZE = 16
POSITIONS = np.array([[0, 0], [40, 130], [200, 150], [65, 17]])


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_map(Path("image.tif"), noise((4, 220, 240), "uint16"))
    write_map(Path("labels.tif"), patches(220, 240, [1, 2, 3], 8).astype(np.uint8)[None])
    return tmp_path


def config_with(rasters=(), **changes):
    maps = {"image": "image.tif", "labels": {"fields": "labels.tif"}}
    settings = {"network": "test_resnet", "loss": "tripletloss", "image_size": SIZE, "validation_map": "fields"}
    return validate(settings | {"maps": maps, "yardsticks": dict(rasters)} | changes)


def sets_of(config):
    return yardsticks(config, open_maps(config, 1))


def test_the_feature_sets_of_every_run(folder):
    sets = sets_of(config_with())
    assert list(sets) == ["band_statistics", "random_convolutions"]
    widths = {name: compute(POSITIONS).shape for name, compute in sets.items()}
    assert widths == {"band_statistics": (4, 16), "random_convolutions": (4, 1024)}


@pytest.mark.parametrize("cache", [True, False])
def test_random_convolutions_are_computed_once_and_equal(folder, cache):
    config = config_with(cache=cache)
    first = sets_of(config)["random_convolutions"](POSITIONS)
    again = sets_of(config)["random_convolutions"](POSITIONS)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32 and np.isfinite(first).all() and first.std(0).max() > 0
    assert len(list(Path("data/cache/features").glob("*.npz"))) == (1 if cache else 0)


def test_random_convolutions_are_kept_for_each_scale(folder):
    """Tiles of the training area stand in for sampled ones that lack data, and it depends on the reserved cells."""
    pixels = noise((4, 220, 240), "uint16") + 1
    pixels[:, :, :90] = 0
    write_map(Path("image.tif"), pixels, nodata=0, photometric="MINISBLACK")
    for spacing in (4, 6):
        kept, anew = (config_with(cache=cache, validation_spacing=spacing) for cache in (True, False))
        found, expected = (sets_of(config)["random_convolutions"](POSITIONS[1:3]) for config in (kept, anew))
        np.testing.assert_array_equal(found, expected)


def test_features_of_a_raster_equal_a_slow_loop(folder, caplog, monkeypatch):
    monkeypatch.setattr(module, "RASTER_TILES", 3)
    pixels = noise((5, 220, 240), "int8", seed=4)
    pixels[:, (pixels == -128).any(0)] = -128
    pixels[:, 100:150, 30:80] = -128  # one tile holds nothing
    write_map(Path("theirs.tif"), pixels)
    compute = sets_of(config_with({"theirs": {"path": "theirs.tif", "dequantise": "alphaearth"}}))["theirs"]
    found = compute(POSITIONS)
    assert found.shape == (4, 10) and found.dtype == np.float32
    values = np.sign(pixels) * (pixels / 127.5) ** 2
    for (x, y), row in zip(POSITIONS, found):
        place = slice(y, y + SIZE), slice(x, x + SIZE)
        kept = (pixels[(slice(None), *place)] != -128).all(0)
        for band, tile in enumerate(values[(slice(None), *place)]):
            expected = (tile[kept].mean(), tile[kept].std()) if kept.any() else (0, 0)
            np.testing.assert_allclose((row[band], row[5 + band]), expected, atol=1e-5)
    assert not found[1].any()
    assert "theirs.tif: 1 of 4 tiles have no pixel with data" in caplog.text


def test_a_raster_that_changes_is_read_again(folder):
    config = config_with({"theirs": {"path": "theirs.tif"}})
    for seed in range(2):
        write_map(Path("theirs.tif"), noise((1, 220, 240), "float32", seed))
        sets_of(config)["theirs"](POSITIONS)
    scaled = config_with({"theirs": {"path": "theirs.tif", "dequantise": "scale_offset"}})
    sets_of(scaled)["theirs"](POSITIONS)
    assert len(list(Path("data/cache/features").glob("theirs-*.npz"))) == 3


def test_a_raster_elsewhere_is_told_before_the_training(folder):
    write_map(Path("far.tif"), noise((1, 50, 50)), place=CORNER @ CORNER.translation(9000, 0))
    with pytest.raises(Exception, match=r"^far\.tif: does not overlap"):
        sets_of(config_with({"far": {"path": "far.tif"}}))
    with pytest.raises(Exception, match=r"^none\.tif: there is no such file"):
        open_rasters(config_with({"far": {"path": "none.tif"}}))


@pytest.mark.parametrize(
    ("rasters", "told"),
    [
        ({"band_statistics": {"path": "a.tif"}}, "taken: band_statistics"),
        ({"Trained": {"path": "a.tif"}}, "taken: Trained"),
        ({"a": {"path": "a.tif"}, "A": {"path": "a.tif"}}, "upper and lower case"),
        ({"a/b": {"path": "a.tif"}}, "'yardsticks' must be"),
        ({"a": {"path": "a.tif", "dequantise": "root"}}, "'yardsticks' must be"),
        ({"a": {"file": "a.tif"}}, "'yardsticks' must be"),
    ],
)
def test_wrong_yardsticks_are_refused_with_all_other_problems(rasters, told):
    with pytest.raises(ConfigError) as caught:
        config_with(rasters, min_pos_dist=9, max_pos_dist=1)
    assert told in str(caught.value) and "'min_pos_dist'" in str(caught.value)


def test_a_config_with_yardsticks_reads_itself():
    config = config_with({"theirs": {"path": "a.tif", "dequantise": "alphaearth"}})
    assert validate(json.loads(config.to_json())) == config


def test_one_list_of_feature_sets():
    assert set(BUILT_IN_FEATURES) == {TRAINED, *YARDSTICKS, CHANCE, COARSENED}
    assert in_order(["chance", "mine", "random_convolutions", "trained", "mine", "untrained"]) == [
        "trained", "untrained", "random_convolutions", "mine", "chance",
    ]  # fmt: skip
    assert is_yardstick("mine") and not any(map(is_yardstick, (TRAINED, CHANCE, COARSENED)))
    looks = [look(name) for name in (*YARDSTICKS, "mine", CHANCE)]
    assert len({each.colour for each in looks}) == len({each.line for each in looks}) == len(looks)
