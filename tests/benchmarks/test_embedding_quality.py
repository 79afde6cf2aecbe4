"""The comparison of recipes with the yardsticks, on a small map."""

import csv
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from runs_for_tests import ROOT, config_file, rows_of

import main
from benchmarks import embedding_quality
from benchmarks.embedding_quality import beside_one_another, experiment, read_draws_of, run
from benchmarks.map_configs import MAP_KEYS, map_digest, recipe_digest, write_yardstick
from config import ConfigError, UserError, load
from evaluation.scores import Evaluation

TAG = "single_class/accuracy/knn"


@pytest.fixture
def files(workplace):
    """A map's config, and a recipe that was written for tiles of another map."""
    other = {"image": "elsewhere.tif", "labels": {"elsewhere": "elsewhere.tif"}}
    recipe = {"maps": other, "validation_map": "elsewhere", "image_size": 32, "validation_nb": 5000, "margin": 0.25}
    return config_file("quality-map", iterations=1, batch_size=3), config_file("quality-recipe", **recipe)


def test_a_recipe_keeps_everything_but_what_is_said_about_the_map(files, tmp_path):
    on_map, recipe = (load(file) for file in files)
    config = experiment(*files, seed=3, folder=tmp_path, overrides=[]).config
    for key in ("maps", "validation_map", "image_size", "validation_nb"):
        assert getattr(config, key) == getattr(on_map, key) != getattr(recipe, key)
    for key in ("margin", "iterations", "batch_size"):
        assert getattr(config, key) == getattr(recipe, key) != getattr(on_map, key)
    assert config.seed == 3


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks/configs").glob("*.json")), ids=lambda file: file.stem)
def test_configs_of_maps_say_nothing_that_a_recipe_says(file):
    assert load(file).model_fields_set - set(MAP_KEYS) == {"network", "loss"}  # which every config must have


def test_another_recipe_or_map_has_other_files_and_another_seed_or_name_has_not(files):
    config = load(files[1])
    same, recipe, tiles = (load(files[1], [change]) for change in ("seed=1", "margin=0.5", "valIteration=3"))
    assert recipe_digest(config) == recipe_digest(same) != recipe_digest(recipe)
    assert map_digest(config) == map_digest(same) == map_digest(recipe) != map_digest(tiles)


def test_keys_that_do_not_go_together_are_refused_before_any_run(files, tmp_path):
    with pytest.raises(ConfigError, match="best_metric"):
        experiment(*files, seed=0, folder=tmp_path, overrides=["best_metric=single_class/accuracy/rfc"])


def test_feature_sets_without_scores_of_every_seed_are_left_out(caplog):
    bands, tile2vec = {TAG: [0.0, 0.5]}, {TAG: [0.1, 0.6]}
    found = beside_one_another([{"bands": bands, "tile2vec": tile2vec}, {"bands": {TAG: [1.0, 1.5]}}], "recipe")
    np.testing.assert_equal(found, {"bands": {TAG: np.array([[0, 0.5], [1, 1.5]])}})
    assert "tile2vec is left out" in caplog.text


class InProcess:
    """Runs commands of main.py in this process, and keeps them."""

    def __init__(self):
        self.commands: list[list[str]] = []

    def run(self, command: list[str], check: bool) -> None:
        self.commands.append(command[2:])
        assert main.main(command[2:]) == 0


def test_a_recipe_is_trained_and_compared_and_nothing_is_made_twice(files, tmp_path, monkeypatch, no_figures):
    program = InProcess()
    monkeypatch.setattr(embedding_quality, "subprocess", program)
    arguments = Namespace(maps=[files[0]], recipes=[files[1]], seeds=[0], folder=tmp_path, set=[])
    each = experiment(*files, seed=0, folder=tmp_path, overrides=[])
    retrieval = (f"retrieval/{metric}" for metric in ("MAP@1", "MAP@10", "MAP@R", "graded_MAP@R"))
    values = {tag: [0.25, 0.25] for tag in (TAG, "multi_class/sum_error/knn", *retrieval)}
    write_yardstick(each.yardsticks, 1, Evaluation("tile2vec", [], {}, {}, None, by_draw=values))
    text = run(arguments)
    (made,) = Path("results").glob("quality-map-quality-recipe-*-0")
    means = {
        (row["features"], row["metric"]): float(row["mean"])
        for row in rows_of(made)
        if row["model"] == "knn" and (row["features"] != "trained" or row["step"] == "2")
    }
    with (tmp_path / "embedding_quality.csv").open() as lines:
        rows = {(row["features"], row["compared with"], row["score"]): row for row in csv.DictReader(lines)}
    assert {features for features, *_ in rows} == {"quality-recipe, best", "quality-recipe, last"}
    others = {"band_statistics", "random_convolutions", "quality-recipe, untrained", "tile2vec"}
    assert {other for _, other, _ in rows} == others
    found = rows["quality-recipe, last", "band_statistics", TAG]
    assert float(found["mean"]) == pytest.approx(means["trained", "accuracy"], abs=1e-5)
    assert float(found["its mean"]) == pytest.approx(means["band_statistics", "accuracy"], abs=1e-5)
    assert rows["quality-recipe, best", "tile2vec", TAG]["its mean"] == "0.25"
    assert all(name in text for name in ("quality-recipe, best", *others))
    assert run(arguments) == text
    assert [command[0] for command in program.commands] == ["train"]


def test_a_run_without_values_of_draws_is_an_error(files, tmp_path):
    each = experiment(*files, seed=7, folder=tmp_path, overrides=[])
    folder = Path("results", each.config.run_name)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(each.config.to_json())
    with pytest.raises(UserError, match="has no values of its networks"):
        read_draws_of(each)
