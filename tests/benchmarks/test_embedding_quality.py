"""The comparison of recipes with the yardsticks, on a small map."""

import csv
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from runs_for_tests import ROOT, config_file, rows_of

import main
from benchmarks import embedding_quality
from benchmarks.draw_scores import MAP_KEYS, map_digest, read_scores, recipe_digest, write_scores
from benchmarks.embedding_quality import experiment, read_seeds, run
from config import ConfigError, load

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


def test_feature_sets_without_scores_of_every_seed_are_left_out(tmp_path, caplog):
    for seed, names in enumerate((["bands", "tile2vec"], ["bands"])):
        for name in names:
            write_scores(tmp_path / f"map/seed{seed}/yardsticks/{name}.csv", {TAG: [seed, seed + 0.5]})
    found = read_seeds([tmp_path / f"map/seed{seed}/yardsticks" for seed in (0, 1)])
    np.testing.assert_equal(found, {"bands": {TAG: np.array([0, 0.5, 1, 1.5])}})
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
    text = run(arguments)
    (made,) = Path("results").glob("quality-map-quality-recipe-*-0")
    rows = {(row["features"], row["metric"], row["model"]): row for row in rows_of(made) if row["step"] == "2"}
    for file in tmp_path.glob("*/seed0/*/*.csv"):
        scores, told = read_scores(file), {"last": "trained"}.get(file.stem, file.stem)
        for (features, metric, model), row in rows.items():
            if features == told:
                tag = next(tag for tag in scores if tag.split("/")[1:] == [metric, model][: tag.count("/")])
                assert np.nanmean(scores[tag]) == pytest.approx(float(row["mean"]), abs=1e-5, nan_ok=True)
    assert all(name in text for name in ("quality-recipe, best", "quality-recipe, untrained", "band_statistics"))
    with (tmp_path / "embedding_quality.csv").open() as lines:
        compared = {(row["features"], row["other"], row["tag"]) for row in csv.DictReader(lines)}
    assert ("quality-recipe, last", "band_statistics", TAG) in compared
    assert not any(features.endswith("untrained") for features, *_ in compared)
    files_before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*/seed0/*/*.csv")}
    assert run(arguments) == text
    assert [command[0] for command in program.commands] == ["train"]
    assert files_before == {file: file.stat().st_mtime_ns for file in tmp_path.glob("*/seed0/*/*.csv")}
