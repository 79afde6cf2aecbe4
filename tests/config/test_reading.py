"""Config files and overrides: what is read, and what is no config."""

import json

import pytest
from configs_for_tests import MINIMAL, ROOT, own_maps, written

from config import ConfigError, Maps, load

# as the documentation shows it, each "a|b" replaced by one of its values
DOCUMENTED = """{
    "network": "resnext50",  // which network
    "loss": "quadrupletloss",
    "alt_loss": "False",
    "single_class_classifiers": ["knn", "rfc"],
    "multi_class_classifiers": ["mlp"],
    "image_size": 128,
    "batch_size": 24, // anchors
    "mining": ["HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"],
    "min_pos_dist": 1,
    "max_pos_dist": 5,
    "min_neg_dist": 10,
    "max_neg_dist": 25,
    "margin": 0.5,
    /* over several
       lines */
    "validation_nb": 5000,
    "validation_map": "CLC",
    "norm_output": "True",
    "supervised": "False",
    "output_size": 64,
    "singleClassTreshold": 0.0,
    "valIteration": 5,
    "random_reset": 0.05,
}"""


def test_the_documented_block_loads(tmp_path):
    config = load(written(tmp_path, DOCUMENTED))
    assert (config.alt_loss, config.norm_output, config.supervised) == (False, True, False)
    assert config.single_class_classifiers == ("knn", "rfc")
    assert config.validation_map == "clc"  # as its map is named
    assert config.mining == ("HARD_NEGATIVE", "RANDOM_HARD_POSITIVE")
    assert config.random_reset == 0.05
    assert config.run_name == "quadrupletloss-resnext50"


def test_ready_configs_load():
    configs = {path.name: load(path) for path in [*ROOT.glob("configs/*.json"), *ROOT.glob("config.json")]}
    warned = {name for name, config in configs.items() if config.warnings()}
    assert warned == {"supervised_magnet_germany.json"}, "whose keys are those of 2021"


@pytest.mark.parametrize(("text", "value"), [('"True"', True), ("true", True), ('"False"', False), ("false", False)])
def test_spellings_of_booleans(tmp_path, text, value):
    config = load(written(tmp_path, json.dumps(MINIMAL)[:-1] + f', "supervised": {text}}}'))
    assert config.supervised is value


@pytest.mark.parametrize(
    ("text", "part"),
    [('{"loss": 1,\n "loss": 2}', "the key 'loss' occurs twice"), ('{"loss": 1,\n "network" 2}', "line 2, column 12"),
     ('{"loss": ', "not valid JSON"), ("[" * 5000, "nested too deeply"), ("", "the config file is empty"),
     ("// nothing\n", "not valid JSON"), ("[1]", "a config file must be one JSON object"), ('"x"', "one JSON object")],
)  # fmt: skip
def test_what_is_no_config_file(tmp_path, text, part):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=part) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="no such config file"):
        load(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "image.json").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "image.json")


def test_a_byte_order_mark_is_no_problem(tmp_path):
    assert load(written(tmp_path, "\ufeff" + json.dumps(MINIMAL))).loss == "tripletloss"


def test_overrides(tmp_path):
    path = written(tmp_path, json.dumps(MINIMAL))
    overrides = ["batch_size=12", "supervised=True", "name=mine", "mining=['HARD_NEGATIVE']", "margin=1e-1",
                 "maps.image=my maps/a=b.tif", "maps.labels.osm=c.tif", "maps.rect=[6, 47, 7, 48]"]  # fmt: skip
    config = load(path, overrides)
    assert (config.batch_size, config.supervised, config.name, config.margin) == (12, True, "mine", 0.1)
    assert config.mining == ("HARD_NEGATIVE",)
    assert config.maps == Maps(image="my maps/a=b.tif", labels={"osm": "c.tif"}, rect=(6, 47, 7, 48))


def test_an_override_reaches_into_given_maps(tmp_path):
    config = load(written(tmp_path, json.dumps(own_maps())), ["maps.bands=[3, 1]", "maps.legends.osm=clc"])
    assert config.maps == Maps(image="a.tif", labels={"osm": "b.tif"}, bands=(3, 1), legends={"osm": "clc"})
    assert config.legend_hints == {"osm": "clc"}


@pytest.mark.parametrize("override", ["batch_size", "=3", ""])
def test_an_override_without_a_key_or_value(tmp_path, override):
    with pytest.raises(ConfigError, match="key=value"):
        load(written(tmp_path, json.dumps(MINIMAL)), [override])


def test_wrong_overrides_are_told_with_all_that_is_wrong_with_the_config(tmp_path):
    path = written(tmp_path, json.dumps(MINIMAL | {"margin": -1}))
    with pytest.raises(ConfigError) as caught:
        load(path, ["=3", "epochs=0", 'pretrained="C:\\data"', "seed=1"])
    starts = ["'=3' must have", "'pretrained': line 1", f"{path}: 'margin'", f"{path}: 'epochs'"]
    lines = str(caught.value).splitlines()
    assert len(lines) == 4 and all(line.startswith(start) for line, start in zip(sorted(lines), sorted(starts)))
    with pytest.raises(ConfigError, match=r"^'=3' must have[^\n]*$"):
        load(written(tmp_path, json.dumps(MINIMAL)), ["=3", "epochs=2"])


def test_an_override_is_validated(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'batch_size'"):
        load(written(tmp_path, json.dumps(MINIMAL)), ["batchsize=3"])
