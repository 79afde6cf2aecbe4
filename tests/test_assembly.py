"""The parts of a run that are fitted to its maps before the training, and how a step is divided."""

import numpy as np
import pytest
import torch
from maps_for_tests import write_map
from runs_for_tests import config_file, fields

from assembly import check_before_start, check_division, make_head_inputs
from config import ConfigError, UserError, load
from dataProcessors.maps import open_maps
from networks import common_axes
from networks.common_axes import standardised


def opened(**keys):
    config = load(config_file("fitted", head_inputs=["band_statistics"], **keys))
    return config, open_maps(config, 1)


def test_axes_of_head_inputs_are_those_of_near_tiles_one_by_one(workplace, monkeypatch):
    monkeypatch.setattr(common_axes, "MAX_PAIRS", 70)
    inputs = make_head_inputs(*opened(minimum_noise_fraction=4))
    _, maps = opened()
    features = [
        torch.cat([inputs.of_sample(torch.from_numpy(maps.read(place[None]))) for place in part])
        for part in maps.near_tiles(70)
    ]
    pairs, _, _ = standardised(*features)
    coordinates = pairs @ common_axes.common_axes(pairs, 4)
    coordinates *= (12 / coordinates.var(0, correction=0).sum()).sqrt()
    found = torch.cat(features) @ inputs.axes
    found -= found.mean(0)  # where they begin does not matter
    torch.testing.assert_close(found.double(), coordinates, atol=1e-3, rtol=1e-3)


def test_head_inputs_have_deviation_1_over_the_tiles_that_can_be_drawn(tmp_path, monkeypatch):
    """Whatever part of the map is without data: tiles that are never drawn have no part in the scale."""
    monkeypatch.chdir(tmp_path)
    pixels, classes = fields(4)
    pixels = pixels.copy()
    pixels[:, :, :200] = 0
    write_map(tmp_path / "image.tif", pixels, nodata=0, photometric="MINISBLACK")
    write_map(tmp_path / "labels.tif", (classes + 1).astype(np.uint8)[None])
    config, maps = opened(maps={"image": "image.tif", "labels": {"fields": "labels.tif"}})
    inputs = make_head_inputs(config, maps)
    places = maps.area.draw(500, np.random.default_rng(0))
    for feature in inputs.of_sample(torch.from_numpy(maps.read(places))).T:
        assert feature.mean().abs() < 0.25 and 0.8 < feature.std() < 1.25


def test_without_axes_no_tiles_are_read_for_them(workplace, monkeypatch):
    config, maps = opened()
    monkeypatch.setattr(type(maps), "near_tiles", None)
    inputs = make_head_inputs(config, maps)
    assert inputs.axes is None and inputs.num_features == 12 and inputs.mean.isfinite().all()


@pytest.mark.parametrize(
    ("keys", "processes", "words"),
    [
        ({"loss": "tripletloss", "batch_size": 6}, 4, r"'batch_size' must be a multiple .* 4, .* Got 6"),
        ({"loss": "magnetloss", "magnet_clusters": 2, "batch_size": 3}, 4, r"\(2 x 3\) must be a multiple .* Got 6"),
        ({"loss": "magnetloss", "magnet_clusters": 2, "batch_size": 2}, 4, r"\(2 x 2\) must give each .* two tiles"),
    ],
)
def test_a_step_that_cannot_be_divided_is_refused(workplace, keys, processes, words):
    with pytest.raises(ConfigError, match=words):
        check_division(load(config_file("divided", **keys)), processes)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_a_step_of_enough_tiles_is_divided(workplace, processes):
    for keys in ({"loss": "tripletloss", "batch_size": processes}, {"loss": "magnetloss", "magnet_clusters": 6}):
        check_division(load(config_file("divided", **keys)), processes)


def test_all_that_can_be_known_before_a_run_is_told_at_once(workplace):
    maps = {"image": "none.tif", "labels": {"fields": "labels.tif"}}
    config = load(config_file("wrong", network="no_such_network", device="cuda:98", maps=maps))
    with pytest.raises(UserError) as told:
        check_before_start(config, False)
    device, network, image = str(told.value).splitlines()
    assert "'device' is cuda:98" in device and "'no_such_network'" in network and image.startswith("none.tif: there is")
    check_before_start(load(config_file("right", maps="demo", validation_map="osm")), False)
    assert not (workplace / "data/demo").exists(), "the demo map is made later"
