"""Keys that do not go together: what is refused, what is only warned of, and runs without a label map."""

import pytest
from configs_for_tests import MINIMAL, ROOT, message, own_maps

from config import load, validate

UNLABELLED = MINIMAL | {"validation_map": None}


@pytest.mark.parametrize(
    ("changes", "part"),
    [({"min_neg_dist": 30}, "'min_neg_dist' (30) must not exceed 'max_neg_dist' (25)"),
     ({"min_pos_dist": 6}, "'min_pos_dist' (6) must not exceed 'max_pos_dist' (5)"),
     ({"loss": "magnetloss", "batch_size": 1}, "at least 2 for magnetloss"),
     ({"best_metric": "single_class/accuracy/rfc"}, "'best_metric' must be a score of this run: retrieval/MAP@R,"),
     ({"segmentation": True, "single_class_classifiers": []}, "'single_class_classifiers', and there are none"),
     ({"network": "transformer", "image_size": 50}, "divisible by 8")],
)  # fmt: skip
def test_contradictions(changes, part):
    assert part in message(MINIMAL | changes)


def test_a_run_without_a_label_map_asks_for_nothing_that_needs_one():
    config = validate(UNLABELLED | {"maps": {"image": "a.tif"}})
    assert (config.validation_map, config.maps.labels, config.warnings()) == (None, {}, [])
    assert config.metrics == ["embedding/used_dimensions"]
    assert load(ROOT / "config.json", ["validation_map=null"]).warnings() == [], "with the models that are the default"
    assert "'validation_map' is missing" in message({"network": "resnext50", "loss": "tripletloss"})
    assert validate(UNLABELLED | {"single_class_classifiers": []}).single_class_classifiers == ()


def test_all_that_needs_a_label_map_is_told_at_once():
    asked = {
        "supervised": True, "segmentation": True, "loss": "softcontrastloss",
    }  # fmt: skip
    told = message(UNLABELLED | asked).splitlines()
    assert len(told) == len(asked)
    for key, line in zip(sorted(asked), sorted(told)):
        assert f"'{key}': " in line and "needs a label map, and 'validation_map' is null. " in line


def test_without_any_label_map_null_is_advised():
    told = message(MINIMAL | {"maps": {"image": "a.tif"}})
    assert told.endswith("'validation_map' must be one of 'maps.labels', which names none, or null. Got 'osm'.")


def test_labels_and_keys_of_scores_that_are_not_used_are_warned_of():
    named = own_maps(labels={"osm": "b.tif"}) | {"validation_map": None}
    keys = {
        "single_class_classifiers": ["rfc"], "multi_class_classifiers": ["knn"], "best_metric": "retrieval/MAP@1",
        "singleClassTreshold": 0.5, "yardsticks": {"other": {"path": "c.tif"}},
    }  # fmt: skip
    idle, labels = validate(named | keys).warnings()
    assert idle.startswith(f"{', '.join(map(repr, keys))}: no effect where 'validation_map' is null")
    assert labels.startswith("'maps.labels': not used where 'validation_map' is null")


def test_without_a_label_map_no_figure_chooses_the_best_network():
    config = validate(own_maps(labels={}) | {"validation_map": None, "best_metric": "embedding/used_dimensions"})
    assert config.metrics == [config.best_metric]
    assert config.best_score not in config.metrics, "more is not better: the last network counts as the best"


def test_what_is_legal_and_surely_not_meant_is_warned_of():
    assert validate(MINIMAL).warnings() == []
    ignored = validate(MINIMAL | {"loss": "magnetloss", "mining": ["HARD_NEGATIVE"]}).warnings()
    assert len(ignored) == 1 and "no effect with magnetloss" in ignored[0]
    both = {"max_pos_dist": 12, "min_neg_dist": 10}
    assert "positive and negative at once" in validate(MINIMAL | both).warnings()[0]
    (idle,) = validate(MINIMAL | both | {"supervised": True}).warnings()
    assert idle == "'max_pos_dist': no effect in supervised training with tripletloss; ignored."
    (idle,) = validate(MINIMAL | both | {"loss": "vicregloss", "norm_output": False, "min_neg_dist": 5}).warnings()
    assert idle == "'min_neg_dist': no effect with vicregloss, which has no negatives; ignored."
    (idle,) = validate(MINIMAL | {"loss": "magnetloss", "supervised": True, "random_reset": 0.5}).warnings()
    assert "'random_reset'" in idle


@pytest.mark.parametrize(
    ("changes", "where"),
    [({"alt_loss": True, "margin": 1}, "with alt_loss, which has no margin"),
     ({"magnet_clusters": 6}, "but with magnetloss"),
     ({"loss": "magnetloss", "magnet_clusters_per_class": 2}, "but in supervised training with magnetloss"),
     ({"supervised": True, "magnet_clusters_per_class": 2}, "but in supervised training with magnetloss"),
     ({"segmentation_cells": 9}, "where 'segmentation' is false")],
)  # fmt: skip
def test_keys_of_what_is_not_used_are_warned_of(changes, where):
    *_, key = changes
    assert validate(MINIMAL | changes).warnings() == [f"'{key}': no effect {where}; ignored."]


@pytest.mark.parametrize(
    "changes",
    [{"margin": 1}, {"loss": "magnetloss", "magnet_clusters": 6, "margin": 1},
     {"loss": "magnetloss", "supervised": True, "magnet_clusters_per_class": 2},
     {"segmentation": True, "segmentation_stride": 4}],
)  # fmt: skip
def test_keys_of_what_is_used_are_not_warned_of(changes):
    assert validate(MINIMAL | changes).warnings() == []
