"""The config: what is read, what is refused, and in which words."""

import json
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from config import Config, ConfigError, LabelFile, Maps, describe, load, types, validate
from config.contradictions import NETWORK_PATCH

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = {"network": "resnext50", "loss": "tripletloss", "validation_map": "osm"}

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


def written(tmp_path, text):
    path = tmp_path / "my.json"
    path.write_text(text, encoding="utf8")
    return path


def message(content):
    with pytest.raises(ConfigError) as caught:
        validate(content)
    return str(caught.value)


def own_maps(**changes):
    return MINIMAL | {"maps": {"image": "a.tif", "labels": {"osm": "b.tif"}} | changes}


def test_the_documented_block_loads(tmp_path):
    config = load(written(tmp_path, DOCUMENTED))
    assert (config.alt_loss, config.norm_output, config.supervised) == (False, True, False)
    assert config.single_class_classifiers == ("knn", "rfc")
    assert config.validation_map == "clc"  # as its map is named
    assert config.mining == ("HARD_NEGATIVE", "RANDOM_HARD_POSITIVE")
    assert config.random_reset == 0.05
    assert config.run_name == "quadrupletloss-resnext50"


@pytest.mark.parametrize(("text", "value"), [('"True"', True), ("true", True), ('"False"', False), ("false", False)])
def test_spellings_of_booleans(tmp_path, text, value):
    config = load(written(tmp_path, json.dumps(MINIMAL)[:-1] + f', "supervised": {text}}}'))
    assert config.supervised is value


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


@pytest.mark.parametrize("missing", MINIMAL)
def test_required_keys(missing):
    assert f"'{missing}' is missing" in message({key: value for key, value in MINIMAL.items() if key != missing})


@pytest.mark.parametrize(
    ("key", "value"),
    [("image_size", 7), ("image_size", 96.5), ("image_size", True), ("margin", 0), ("margin", float("nan")),
     ("margin", float("inf")), ("random_reset", 1.1), ("max_nodata", 1), ("validation_spacing", 3), ("seed", -1),
     ("name", "../up"), ("name", ""), ("name", "a/../b"), ("name", "/a"), ("name", "a/"),
     ("device", "gpu"), ("device", "cuda:x"), ("threads", 0), ("threads", "many"), ("precision", "fp16"),
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


@pytest.mark.parametrize(
    ("text", "part"),
    [('{"loss": 1,\n "loss": 2}', "the key 'loss' occurs twice"), ('{"loss": 1,\n "network" 2}', "line 2, column 12"),
     ('{"loss": ', "not valid JSON"), ("[" * 5000, "nested too deeply"), ("", "the file is empty"),
     ("// nothing\n", "not valid JSON"), ("[1]", "one JSON object"), ('"x"', "one JSON object")],
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


def test_an_override_is_validated(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'batch_size'"):
        load(written(tmp_path, json.dumps(MINIMAL)), ["batchsize=3"])


@pytest.mark.parametrize(
    ("changes", "part"),
    [({"rect": [15, 47, 5, 55]}, "'maps.rect' must be west < east"), ({"rect": [5, 55, 15, 47]}, "'maps.rect'"),
     ({"rect": [5, 50, 15, 50]}, "'maps.rect'"), ({"rect": [5, 47, 5, 55]}, "'maps.rect'"),
     ({"rect": [5, 47, 190, 55]}, "'maps.rect'"), ({"rect": [5, 47, 15]}, "'maps.rect'"),
     ({"legends": {"clc": "clc"}}, "'maps.legends' has names that 'maps.labels' does not have: clc"),
     ({"labels": {"osm": "a", "OSM": "b"}}, "upper and lower case"), ({"labels": {}}, "'maps.labels'"),
     ({"labels": {"own": "a"}}, "'validation_map' must be one of the label maps: own. Got 'osm'"),
     ({"bands": [0]}, "'maps.bands'"), ({"image": ""}, "'maps.image'"), ({"nodata": "none"}, "'maps.nodata'")],
)  # fmt: skip
def test_maps_in_contradiction(changes, part):
    assert part in message(own_maps(**changes))


def test_a_label_map_is_a_path_or_says_where_it_is_in_its_file():
    labels = {"a": "a.tif", "osm": {"path": "b.tif", "band": 3}, "c": {"path": "c.gpkg", "layer": "l", "column": "k"}}
    config = validate(own_maps(labels=labels))
    assert config.maps.labels["a"] == LabelFile(path="a.tif")
    assert json.loads(config.to_json())["maps"]["labels"] == labels
    for wrong in ({"path": ""}, {"path": "b.tif", "bnd": 3}, {"path": "b.tif", "band": 0}, {"band": 1}, 3):
        assert "'maps.labels'" in message(own_maps(labels={"osm": wrong}))


def test_the_image_is_a_path_or_a_list_of_them():
    config = validate(own_maps(image=["a.tif", "tiles/*.tif"], crs="EPSG:3035"))
    assert config.maps.image == ("a.tif", "tiles/*.tif") and validate(json.loads(config.to_json())) == config
    assert validate(own_maps()).maps.crs is None
    for wrong in ([], [""], ["a.tif", 3], [["a.tif"]], 3, None):
        assert "'maps.image' must be of this form (path" in message(own_maps(image=wrong))
    assert "'maps.crs' must be" in message(own_maps(crs=""))


def test_bands_have_numbers_or_names():
    assert validate(own_maps(bands=[4, "red"])).maps.bands == (4, "red")


def test_label_maps_may_have_any_name_in_any_case():
    assert validate(own_maps(labels={"My Land": "a"}) | {"validation_map": "My Land"}).validation_map == "my land"
    assert "osm, clc" in message(MINIMAL | {"validation_map": "nlcd"})


@pytest.mark.parametrize(
    ("changes", "part"),
    [({"min_neg_dist": 30}, "'min_neg_dist' (30) must not exceed 'max_neg_dist' (25)"),
     ({"min_pos_dist": 6}, "'min_pos_dist' (6) must not exceed 'max_pos_dist' (5)"),
     ({"loss": "magnetloss", "batch_size": 1}, "at least 2 for magnetloss"),
     ({"best_metric": "single_class/accuracy/rfc"}, "'best_metric' must be a score of this run: retrieval/MAP@R,"),
     ({"network": "transformer", "image_size": 50}, "divisible by 8")],
)  # fmt: skip
def test_contradictions(changes, part):
    assert part in message(MINIMAL | changes)


UNLABELLED = MINIMAL | {"validation_map": None}


def test_a_run_without_a_label_map_asks_for_nothing_that_needs_one():
    config = validate(UNLABELLED | {"maps": {"image": "a.tif"}})
    assert (config.validation_map, config.maps.labels, config.warnings()) == (None, {}, [])
    assert config.metrics == ["embedding/used_dimensions"]
    assert load(ROOT / "config.json", ["validation_map=null"]).warnings() == [], "with the models that are the default"
    assert "'validation_map' is missing" in message({"network": "resnext50", "loss": "tripletloss"})
    assert validate(UNLABELLED | {"single_class_classifiers": []}).single_class_classifiers == ()


def test_all_that_needs_a_label_map_is_told_at_once():
    asked = {
        "supervised": True, "segmentation": True, "single_class_classifiers": ["rfc"],
        "multi_class_classifiers": ["knn"], "best_metric": "retrieval/MAP@1", "loss": "softcontrastloss",
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
    keys = {"singleClassTreshold": 0.5, "yardsticks": {"other": {"path": "c.tif"}}}
    idle, labels = validate(named | keys).warnings()
    assert idle.startswith("'singleClassTreshold', 'yardsticks': no effect where 'validation_map' is null")
    assert labels.startswith("'maps.labels': not used where 'validation_map' is null")


def test_what_is_legal_and_surely_not_meant_is_warned_of():
    assert validate(MINIMAL).warnings() == []
    ignored = validate(MINIMAL | {"loss": "magnetloss", "mining": ["HARD_NEGATIVE"]}).warnings()
    assert len(ignored) == 1 and "no effect with magnetloss" in ignored[0]
    both = {"max_pos_dist": 12, "min_neg_dist": 10}
    assert "positive and negative at once" in validate(MINIMAL | both).warnings()[0]
    (idle,) = validate(MINIMAL | both | {"supervised": True}).warnings()
    assert idle == "'max_pos_dist': no effect in supervised training with tripletloss; ignored."
    (idle,) = validate(MINIMAL | {"loss": "magnetloss", "supervised": True, "random_reset": 0.5}).warnings()
    assert "'random_reset'" in idle


@pytest.mark.parametrize("wrong", [{"rect": [1, 2]}, {"band": [1]}, {"image": ""}, {"nodata": "x"}])
def test_a_problem_of_ones_own_maps_is_told_once(wrong):
    with pytest.raises(ConfigError) as told:
        validate(own_maps(**wrong))
    assert len(str(told.value).splitlines()) == 1


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


def test_ready_configs_load():
    for path in [*ROOT.glob("configs/*.json"), *ROOT.glob("config.json")]:
        load(path)


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
    from evaluation.scoring import MULTI_CLASS, SINGLE_CLASS, Score

    config = validate(MINIMAL | {"single_class_classifiers": ["knn", "dt"], "multi_class_classifiers": ["rfc"]})
    scored = set()
    for task, models in ((SINGLE_CLASS, ("knn", "dt")), (MULTI_CLASS, ("rfc",))):
        of_features = [("-", metric) for metric in task.feature_metrics if not metric.endswith("_chance")]
        of_models = [(model, metric) for metric in task.model_metrics for model in models]
        scored |= {Score("trained", task.name, *each, 0.5, 0.0).tag for each in of_features + of_models}
    assert set(config.metrics) == scored
    assert len(config.metrics) == len(scored)
    assert set(MULTI_CLASS.model_metrics) >= set(LESS_IS_BETTER)


def dated(**changes):
    own = {"image": {"2019": "a.tif", "2022": "b.tif"}, "labels": {"osm": "c.tif"}}
    return MINIMAL | {"maps": own | changes.pop("maps", {})} | changes


def test_images_of_several_dates():
    config = validate(dated(positive_dates="other", min_pos_dist=0, max_pos_dist=0))
    assert (config.dates, config.maps.scored_date) == (["2019", "2022"], "2022")
    assert config.maps.of_date("2019").image == "a.tif"
    assert validate(dated(maps={"validation_date": "2019"})).maps.scored_date == "2019"
    single = validate(own_maps())
    assert (single.dates, single.maps.scored_date, single.maps.images) == ([""], "", {"": single.maps.image})
    assert validate(MINIMAL | {"maps": "demo_seasons", "positive_dates": "any"}).dates == ["summer", "autumn"]
    assert "'positive_dates': no effect where 'maps.image' has a single date" in " ".join(
        validate(MINIMAL | {"positive_dates": "any"}).warnings()
    )


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (dated(maps={"validation_date": "2020"}), "one of the dates of 'maps.image': 2019, 2022. Got '2020'"),
        (MINIMAL | {"positive_dates": "other"}, "'maps.image' has a single date"),
        (MINIMAL | {"positive_dates": "last"}, "'positive_dates' must be one of same, other, any. Got 'last'"),
        (dated(maps={"image": {}}), "'maps.image' must be of this form"),
        (dated(maps={"image": {"2019.5": "a.tif"}}), "'maps.image' must be of this form"),
        (dated(min_pos_dist=0, max_pos_dist=0), "'max_pos_dist' is 0, and no tile is its own positive"),
        (dated(min_pos_dist=0, max_pos_dist=0, positive_dates="any", loss="magnetloss", batch_size=3), "has 2 tiles"),
    ],
)  # fmt: skip
def test_contradictions_of_dates(values, part):
    told = message(values)
    assert part in told and "\n" not in told


def test_a_validation_date_needs_dates():
    assert "names a date, and 'maps.image' has none" in message(own_maps(validation_date="2019"))
