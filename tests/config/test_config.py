"""The keys of a config: which values they take, and in which words wrong ones are refused."""

import pytest
from configs_for_tests import MINIMAL, message, own_maps

from config import validate


def test_all_problems_are_told_at_once():
    told = message(
        MINIMAL | {"batch_size": 0, "image_size": "wide", "min_pos_dist": 6, "lerning_rate": 1, "mining": ["HARDEST"]}
    )
    assert len(told.splitlines()) == 5
    for part in ("'batch_size'", "Got 'wide'", "'min_pos_dist' (6) must not exceed 'max_pos_dist' (5)",
                 "Did you mean 'learning_rate'?", "['HARDEST']"):  # fmt: skip
        assert part in told


def test_wrong_keys_hide_no_contradiction_of_others():
    told = message({"network": "transformer", "image_size": 100, "loss": "tripletloss", "validation_map": 3})
    assert "must be divisible by 8" in told
    assert "'validation_map' must be text" in told


def test_keys_in_contradiction_are_not_blamed_twice():
    assert message(MINIMAL | {"min_pos_dist": "x", "max_pos_dist": 0.5}).count("\n") == 0


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("singleClassThreshold", "singleClassTreshold"), ("imagesize", "image_size"), ("Loss", "loss"),
     ("val_iteration", "valIteration")],
)  # fmt: skip
def test_an_unknown_key_is_answered_with_the_nearest(key, nearest):
    assert f"'{key}' is not a key of the config. Did you mean '{nearest}'?" in message(MINIMAL | {key: 1})


def test_unknown_keys_of_maps_and_keys_like_no_other():
    assert "'maps.bnds' is not a key of the config. Did you mean 'maps.bands'?" in message(own_maps(bnds=[1]))
    assert "'zzzzqq' is not a key of the config. `python main.py train --help`" in message(MINIMAL | {"zzzzqq": 1})


@pytest.mark.parametrize("key", ["image", "labels", "rect", "bands", "nodata", "crs"])
def test_a_key_at_a_wrong_place_is_answered_with_its_own(key):
    assert f"'{key}' is not a key of the config. Did you mean 'maps.{key}'?" in message(MINIMAL | {key: 1})
    told = "'maps.image_size' is not a key of the config. Did you mean 'image_size'?"
    assert told in message(own_maps(image_size=32))


def test_a_nested_key_in_a_file_has_no_dot():
    told = message(MINIMAL | {"maps.image": "a.tif"})
    assert told.endswith(""" is not a key of the config. Write "maps": {"image": ...} here, without a dot.""")


@pytest.mark.parametrize("missing", MINIMAL)
def test_required_keys(missing):
    assert f"'{missing}' is missing" in message({key: value for key, value in MINIMAL.items() if key != missing})


@pytest.mark.parametrize(
    ("key", "value"),
    [("image_size", 7), ("image_size", 96.5), ("image_size", True), ("margin", 0), ("margin", float("nan")),
     ("margin", float("inf")), ("random_reset", 1.1), ("max_nodata", 1), ("validation_spacing", 3), ("seed", -1),
     ("name", "../up"), ("name", ""), ("name", "a/../b"), ("name", "/a"), ("name", "a/"),
     ("device", "gpu"), ("device", "cuda:x"), ("device", "cuda:01"), ("device", "cuda:384"),
     ("threads", 0), ("threads", 10**12), ("threads", "many"), ("precision", "fp16"),
     ("network", "../up"), ("network", ""), ("network", 3), ("freeze", 0), ("freeze", -1), ("freeze", 1.5),
     ("pretrained", ""), ("pretrained", 3),
     ("loss", None), ("mining", "HARD"), ("mining", [[]]),
     ("maps", "france"), ("maps", 3), ("cache", "maybe"), ("multi_class_classifiers", ["svm"])],
)  # fmt: skip
def test_values_out_of_range(key, value):
    told = message(MINIMAL | {key: value})
    assert told.startswith(f"config: '{key}' must be ")
    assert "\n" not in told


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("random_reset", 0),
        ("random_reset", 1),
        ("device", "cuda:1"),
        ("device", "cuda:10"),
        ("threads", 3),
        ("mining", []),
        ("name", "a-1.b"),
        ("name", "a/b.1"),
        ("network", "vit_tiny_patch16_224.augreg_in21k"),
        ("pretrained", True),
        ("pretrained", "a/b.pth"),
        ("freeze", True),
        ("freeze", 1),
    ],
)
def test_values_at_the_edge(key, value):
    given = tuple(value) if isinstance(value, list) else value
    found = getattr(validate(MINIMAL | {key: value}), key)
    assert found == given and isinstance(found, bool) == isinstance(given, bool)


@pytest.mark.parametrize("key", ["pretrained", "freeze"])
def test_flags_among_other_values_may_be_spelt_as_booleans_are(key):
    for text, value in (("True", True), ("false", False)):
        assert getattr(validate(MINIMAL | {key: text}), key) is value
