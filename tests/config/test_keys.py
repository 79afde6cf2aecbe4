"""A config as a whole: written and read back, described, and agreeing with what the other packages have."""

import json
from typing import get_args

import pytest
from configs_for_tests import MINIMAL, own_maps, written
from pydantic import ValidationError

from config import Config, Maps, describe, load, types, validate
from config.contradictions import NETWORK_PATCH


@pytest.mark.parametrize("content", [MINIMAL, own_maps(rect=[6, 47, 7, 48], bands=[2, 1], nodata=0.5) | {"threads": 2}])
def test_to_json_is_read_back_as_the_same(tmp_path, content):
    config = validate(content)
    path = written(tmp_path, config.to_json())
    assert load(path) == config
    assert set(json.loads(config.to_json())) == set(Config.model_fields) - {"validation_nb"}


def test_only_a_number_of_tiles_that_was_asked_for_is_one_afterwards(tmp_path):
    """A map that cannot hold them is refused only then: a run's own config must be no reason for it."""
    for content, asked in ((MINIMAL, False), (MINIMAL | {"validation_nb": 5000}, True)):
        again = load(written(tmp_path, validate(content).to_json()))
        assert again.validation_nb == 5000
        assert ("validation_nb" in again.model_fields_set) is asked


def test_a_config_cannot_be_changed():
    config = validate(MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        config.loss = "magnetloss"


def test_describe_names_every_key_with_its_default():
    lines = describe().splitlines()
    names = [*Config.model_fields, *(f"maps.{name}" for name in Maps.model_fields)]
    assert [line.split(":")[0].strip() for line in lines] == names
    text = "\n".join(lines)
    assert "batch_size: anchors per step" in text and "(a whole number of at least 1 and at most 100000)" in text
    assert all("; required" in line or "; default " in line for line in lines)


def test_names_are_those_of_the_rooms():
    from config.library import NEED_LABELS, OWN_LOSSES
    from evaluation.models import CLASSIFIERS
    from losses import LOSSES
    from mining import MINING_MODES
    from networks.zoo import PATCH_SIZE
    from training.steps.step_table import STEPS

    assert {*get_args(types.LOSS_NAMES), *OWN_LOSSES} == set(LOSSES)
    library = get_args(types.PARAMETER_LOSS_NAMES)
    assert set(STEPS) == {
        (name, on) for name in {*LOSSES, *library} for on in (False, True) if on or name not in NEED_LABELS
    }
    assert set(get_args(types.MINING_NAMES)) == set(MINING_MODES)
    assert set(get_args(types.MODEL_NAMES)) == set(CLASSIFIERS)
    assert NETWORK_PATCH == {"transformer": PATCH_SIZE}


def test_metrics_are_those_that_are_scored():
    from config import LESS_IS_BETTER
    from evaluation.scores import Score
    from evaluation.tasks import MULTI_CLASS, SINGLE_CLASS

    config = validate(MINIMAL | {"single_class_classifiers": ["knn", "dt"], "multi_class_classifiers": ["rfc"]})
    scored = set()
    for task, models in ((SINGLE_CLASS, ("knn", "dt")), (MULTI_CLASS, ("rfc",))):
        of_features = [("-", metric) for metric in task.feature_metrics if not metric.endswith("_chance")]
        of_models = [(model, metric) for metric in task.model_metrics for model in models]
        scored |= {Score("trained", task.name, *each, 0.5, 0.0).tag for each in of_features + of_models}
    assert set(config.metrics) == scored
    assert len(config.metrics) == len(scored)
    assert set(MULTI_CLASS.model_metrics) >= set(LESS_IS_BETTER)
