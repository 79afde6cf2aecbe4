"""Whole runs through main.py, on a small map made here."""

import csv
import html
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from maps_for_tests import pieces
from networks_for_tests import with_narrow_networks
from runs_for_tests import MAPS, ROOT, losses_of, main_py, rows_of, run_in_process, small_config, write_fields
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main
from config import Config, Maps
from mining import MINING_MODES

# every network, loss, supervised and random_reset; the four mining modes are switched on and off over them
SETTINGS = list(
    itertools.product(
        ("resnext50", "transformer"), ("tripletloss", "quadrupletloss", "magnetloss"), (False, True), (0.0, 1.0)
    )
)
MINING = [
    tuple(int(switch) for switch in switches)
    for switches in ("0000", "1100", "0111", "1010", "1001", "0101", "0010", "1111")
]
COMBINATIONS = [(*setting, *MINING[(3 * i + i // 8) % 8]) for i, setting in enumerate(SETTINGS)]
WHOLE = COMBINATIONS[4], COMBINATIONS[23]  # one of each network that is trained as large as it is: 280 MB a checkpoint


def test_every_pair_of_settings_occurs_in_the_combinations():
    for first, second in itertools.combinations(range(8), 2):
        values = [sorted({combination[i] for combination in COMBINATIONS}) for i in (first, second)]
        found = {(combination[first], combination[second]) for combination in COMBINATIONS}
        assert found == set(itertools.product(*values)), (first, second)


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda values: "-".join(map(str, values)))
def test_combination_trains_for_two_steps(workplace, no_figures, monkeypatch, combination):
    """Most of them on narrow networks of the same kind, for two are enough to see that the large ones fit in."""
    network, loss, supervised, random_reset, *switches = combination
    if combination not in WHOLE:
        with_narrow_networks(monkeypatch)
    folder = run_in_process(
        "combination", network=network, loss=loss, supervised=supervised, random_reset=random_reset,
        mining=[mode for mode, on in zip(MINING_MODES, switches) if on],
    )  # fmt: skip
    losses = losses_of(folder)
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    assert {row["step"] for row in rows_of(folder)} == {"0", "2"}


def test_both_networks_are_trained_as_large_as_they_are():
    assert {combination[0] for combination in WHOLE} == {"resnext50", "transformer"}


def test_results_hold_what_is_promised(complete_run, workplace):
    folder = complete_run
    config = json.loads((folder / "config.json").read_text())
    assert config["precision"] == "fp32"
    assert isinstance(config["threads"], int)
    about = json.loads((folder / "run.json").read_text())
    assert {"command", "packages", "git_revision", "maps"} <= set(about)
    assert about["maps"]["image"]["bytes"] == os.path.getsize("image.tif")
    rows = rows_of(folder)
    assert list(rows[0]) == ["step", "features", "task", "model", "metric", "mean", "std"]
    assert {row["features"] for row in rows} == {"trained", "untrained", "band_statistics", "random_convolutions"}
    found = {(row["task"], row["model"], row["metric"]) for row in rows}
    assert {("single_class", model, "accuracy") for model in ("knn", "dt")} <= found
    assert {("multi_class", "knn", "sum_error"), ("single_class", "-", "MAP@R"), ("multi_class", "-", "gSil")} <= found
    yardsticks = [row for row in rows if row["features"] != "trained"]
    assert {row["step"] for row in yardsticks} == {"0"}, "yardsticks are scored once"
    for weights in ("best.pt", "last.pt"):
        state = torch.load(folder / weights, weights_only=True)
        assert "head.weight" in state["network"]
    events = EventAccumulator(str(folder / "tensorboard" / "trained")).Reload()
    pictures = {"batch/tiles", "batch/hardest", "figures/umap", "figures/sampled_tiles", "figures/confusion_matrix/knn"}
    assert pictures <= set(events.Tags()["images"])
    shares = {"train/false_negatives", "train/false_positives"}
    assert {"train/loss", "train/wait_share", "yardsticks/retrieval/MAP@R"} | shares <= set(events.Tags()["scalars"])
    assert all(0 <= event.value <= 1 for event in events.Scalars("train/wait_share"))
    assert (folder / "figures/best/umap.png").exists() and (folder / "figures/best/umap.svg").exists()
    page = (folder / "report.html").read_text(encoding="utf8")
    assert "complete" in page
    told = (folder / "verdict.txt").read_text(encoding="utf8").strip()
    assert "better than the best yardstick in" in told
    assert told in html.unescape(page)
    assert told in str(events.Tensors("verdict/text_summary")[0].tensor_proto.string_val[0].decode())
    with (folder / "draws.csv").open() as file:
        drawn = list(csv.DictReader(file))
    assert {row["features"] for row in drawn} == {"trained", "untrained", "band_statistics", "random_convolutions"}
    assert {len(row["values"].split()) for row in drawn} == {config["valIteration"]}
    assert not [path for path in folder.rglob(".*")], "no temporary file is left"


def test_second_run_of_the_same_name_gets_a_number(workplace, no_figures):
    first, second = (run_in_process("twice", iterations=1) for _ in range(2))
    assert (first.name, second.name) == ("twice", "twice-2")


def test_equal_seeds_give_equal_runs_and_other_seeds_others(workplace, no_figures):
    changes = {"mining": ["HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"], "random_reset": 0.5, "iterations": 3}
    first, second, other = (run_in_process("seed", seed=seed, **changes) for seed in (1, 1, 2))
    assert losses_of(first) == losses_of(second)
    with rasterio.open("image.tif") as file:
        pieces(Path("cut"), file.read(), 8, 5, file.transform)
    cut = run_in_process("cut", seed=1, maps=MAPS | {"image": "cut/*.tif"}, **changes)
    assert losses_of(cut) == losses_of(first)
    assert (cut / "metrics.csv").read_text() == (first / "metrics.csv").read_text()
    assert rows_of(first) == rows_of(second)
    assert losses_of(first) != losses_of(other)


def test_maps_without_a_cache_give_the_same_run(workplace, no_figures):
    prepared, direct = (run_in_process("cache", cache=cache, iterations=3) for cache in (True, False))
    assert losses_of(prepared) == losses_of(direct)


def test_losses_fall_on_an_easy_map(workplace, no_figures):
    losses = losses_of(run_in_process("easy", supervised=True, iterations=60, learning_rate=1e-3, batch_size=16))
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])


def test_diverging_training_stops_with_one_message(workplace, no_figures, capsys):
    maps = MAPS
    Path("diverge.json").write_text(json.dumps(small_config(maps=maps, iterations=40, norm_output=False)))
    assert main.main(["diverge.json", "learning_rate=1e9", "name=diverge"]) == 2
    message = capsys.readouterr().err
    assert "not finite" in message
    assert "learning_rate" in message
    last = torch.load("results/diverge/last.pt", weights_only=True)
    assert all(value.isfinite().all() for value in last["network"].values())
    (saved,) = Path("results/diverge").glob("not_finite-*.npz")
    assert str(saved) in message
    with np.load(saved, allow_pickle=False) as batch:
        assert batch["tiles"].shape == (12, 3, 16, 16)
        assert str(tuple(batch["positions"][0].tolist())) in message
        assert f"step {int(saved.stem.split('-')[1]):,}" in message
    assert last["step"] < int(saved.stem.split("-")[1])


def test_embeddings_of_four_and_one_band(tmp_path, monkeypatch, no_figures):
    monkeypatch.chdir(tmp_path)
    for bands in (1, 4):
        write_fields(tmp_path, bands)
        folder = run_in_process(f"bands{bands}")
        assert np.isfinite(losses_of(folder)).all()


def test_command_line_as_a_user_calls_it(tmp_path):
    maps = write_fields(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(small_config(maps=maps)))
    few = "validation_nb=20"  # of so few tiles no UMAP is made, for which a process compiles ten seconds
    done = main_py(tmp_path, "train", "name=first", "iterations=1", "maps.bands=[1,3]", few)
    assert done.returncode == 0, done.stderr
    assert "tensorboard --logdir results/first" in done.stdout
    assert "epoch 1/1: loss" in done.stdout, "without a terminal a line per epoch"
    assert "accuracy" in done.stdout
    assert (tmp_path / "results/first/verdict.txt").read_text() in done.stdout
    assert json.loads((tmp_path / "results/first/config.json").read_text())["maps"]["bands"] == [1, 3]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing.json"], "missing.json"),
        (["loss=nosuchloss"], "'loss' must be one of tripletloss"),
        (["maps=germany", "validation_map=osm"], "osmlanduse.org"),
        (["maps.image=nowhere.tif"], "nowhere.tif"),
        (["image_size=200"], "image_size"),
        (["min_neg_dist=30", "max_neg_dist=40"], "min_neg_dist"),
        (["device=cuda:99"], "device"),
        (["traing"], "traing"),
        (["maps.labels.fields=image.tif"], "image.tif"),
    ],
)
def test_user_errors_are_one_message_and_exit_code_2(workplace, capsys, arguments, told):
    config = small_config(maps=MAPS)
    Path("config.json").write_text(json.dumps(config))
    before = list(Path("results").glob("*")) if Path("results").exists() else []
    assert main.main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert told in lines[-1] and len(lines) == 1
    assert (list(Path("results").glob("*")) if Path("results").exists() else []) == before, "no folder is left behind"


def test_help_lists_verbs_and_every_config_key():
    done = main_py(ROOT, "--help")
    assert done.returncode == 0
    assert [verb for verb in main.VERBS if f"\n    {verb} " not in done.stdout] == []
    told = main_py(ROOT, "train", "--help").stdout
    keys = [*Config.model_fields, *(f"maps.{key}" for key in Maps.model_fields)]
    assert [key for key in keys if f"\n  {key}:" not in told and f"\n  {key} " not in told] == []


def test_help_imports_nothing_heavy():
    code = "import sys, main; main.parse(['train', 'x.json'], main.VERBS); print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout
    assert "'main'" in modules
    for heavy in ("torch", "sklearn", "rasterio", "matplotlib", "numpy"):
        assert f"'{heavy}'" not in modules
