"""Miners and losses of pytorch-metric-learning in a config, with their parameters."""

import json

import pytest

from config import ConfigError, validate

MINIMAL = {"network": "test_resnet", "loss": "tripletloss", "validation_map": "osm"}


def test_ways_to_write_a_miner_and_a_loss():
    changes = {"loss": {"ntxentloss": {"temperature": 0.1}}, "mining": {"AngularMiner": {"angle": 30}}}
    config = validate(MINIMAL | changes)
    assert (config.loss_name, config.run_name) == ("ntxentloss", "ntxentloss-test_resnet")
    assert config.library_miners == [("AngularMiner", {"angle": 30})]
    assert validate(json.loads(config.to_json())) == config
    plain = validate(MINIMAL | {"loss": {"ntxentloss": {}}, "mining": ["RANDOM_HARD_POSITIVE", {"AngularMiner": {}}]})
    assert (plain.loss, plain.mining) == ("ntxentloss", ("RANDOM_HARD_POSITIVE", "AngularMiner"))
    (warning,) = validate(MINIMAL | {"loss": "circleloss", "alt_loss": True, "margin": 1}).warnings()
    assert "'alt_loss', 'margin': no effect with circleloss" in warning


@pytest.mark.parametrize(
    ("changes", "parts"),
    [({"mining": {"AngularMiner": {"angel": 3}}},
      ["'mining.AngularMiner.angel' is not a parameter", "Its parameters: angle"]),
     ({"mining": [{"AngularMiner": {"angle": 91}}]}, ["a number of at least 0 and at most 90. Got 91"]),
     ({"mining": {"UniformHistogramMiner": {"num_bins": 2.5}}}, ["num_bins' must be a whole number"]),
     ({"mining": {"TripletMarginMiner": {"type_of_triplets": "hardest"}}}, ["one of hard, semihard, easy, all"]),
     ({"mining": {"BatchEasyHardMiner": {"allowed_pos_range": [1, 0.5]}}}, ["null or [low, high] within 0 and 2"]),
     ({"mining": {"BatchEasyHardMiner": {"pos_strategy": "semihard"}}}, ["cannot be combined"]),
     ({"mining": "AnglarMiner"}, ["'mining' must be a list of any of HARD_NEGATIVE", "AngularMiner"]),
     ({"mining": {"AngularMiner": {}, "PairMarginMiner": {}}}, ["'mining' must be a list of any of"]),
     ({"mining": {"HARD_NEGATIVE": {}}}, ["'mining' must be a list of any of"]),
     ({"mining": ["AngularMiner", "PairMarginMiner"]}, ["one miner of pytorch-metric-learning at most. Got 2"]),
     ({"mining": ["AngularMiner", {"AngularMiner": {"angle": 3}}]}, ["at most. Got 2"]),
     ({"mining": ["AngularMiner", "HARD_POSITIVE"]}, ["both choose among the tiles of the batch"]),
     ({"loss": "magnetloss", "mining": "AngularMiner"}, ["magnetloss cannot use"]),
     ({"loss": "quadrupletloss", "mining": "AngularMiner"}, ["quadrupletloss cannot use", "supconloss"]),
     ({"loss": "circleloss", "mining": "HARD_NEGATIVE"}, ["circleloss uses all pairs"]),
     ({"loss": {"ntxentloss": {"margin": 1}}},
      ["'loss.ntxentloss.margin' is not a parameter", "Its parameters: temperature"]),
     ({"loss": {"ntxentloss": {"temperature": 0}}}, ["'loss.ntxentloss.temperature' must be a number of at least"]),
     ({"loss": {"ntxentloss": {"temperature": True}}}, ["Got True"]),
     ({"loss": {"tripletloss": {}}}, ["'loss' must be one of tripletloss"]), ({"loss": {}}, ["'loss' must be one of"])],
)  # fmt: skip
def test_what_a_config_cannot_mean(changes, parts):
    with pytest.raises(ConfigError) as told:
        validate(MINIMAL | changes)
    assert len(str(told.value).splitlines()) == 1
    for part in parts:
        assert part in str(told.value)
