"""Runs without a label map: everything is trained and shown as ever, nothing is scored, and it is said."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from reports_for_tests import checked
from runs_for_tests import UNLABELLED, losses_of, rows_of, run_in_process
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main
from reporting.comparison.runs import read_run
from training.runs.checkpoint import load

SAID = "No label map was given ('validation_map' is null), so nothing is scored; the last network counts as the best."
FIGURES = {"distances", "neighbours", "umap", "umap_tiles", "umap_3d", "sampled_tiles"}
LABELLED_TAGS = ("retrieval", "single_class", "multi_class", "yardsticks", "train/false")


@pytest.fixture(scope="module")
def unlabelled(workplace_of_module) -> Path:
    """A run of which everything is drawn, of two tiles: of so few no UMAP is made, which takes seconds to compile."""
    few = {"validation_nb": 20, "valIteration": 1}
    return workplace_of_module / run_in_process("unlabelled", epochs=2, iterations=3, **UNLABELLED, **few)


def events_of(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder / "tensorboard" / "trained")).Reload()


def test_training_is_that_of_a_run_with_labels(unlabelled, workplace, no_figures):
    labelled = run_in_process("labelled", epochs=2, iterations=3)
    assert losses_of(unlabelled) == losses_of(labelled), "unsupervised training never sees a label"


def test_nothing_is_scored_but_dimensions_are_counted(unlabelled):
    assert [(row["step"], row["features"], row["metric"]) for row in rows_of(unlabelled)] == [
        ("0", "trained", "used_dimensions"), ("0", "untrained", "used_dimensions"),
        ("3", "trained", "used_dimensions"), ("6", "trained", "used_dimensions"),
    ]  # fmt: skip
    with (unlabelled / "draws.csv").open() as file:
        assert {row["score"] for row in csv.DictReader(file)} == {"embedding/used_dimensions"}
    assert (unlabelled / "verdict.txt").read_text().strip() == SAID


def test_the_last_network_is_the_best(unlabelled):
    best, last = (load(unlabelled / name) for name in ("best.pt", "last.pt"))
    assert best["step"] == last["step"] == 6
    assert all(torch.equal(best["network"][key], each) for key, each in last["network"].items())
    assert set(last["maps"]) == {"image"}


def test_figures_and_curves_are_those_that_need_no_labels(unlabelled):
    assert {path.stem for path in (unlabelled / "figures/best").glob("*.png")} == FIGURES
    with (unlabelled / "figures/best/tiles.csv").open() as file:
        tiles = list(csv.DictReader(file))
    assert {row["class"] for row in tiles} == {""} and {row["query"] for row in tiles} == {"1", "2"}
    events = events_of(unlabelled)
    tags = events.Tags()
    assert {"batch/tiles", "batch/hardest", *(f"figures/{name}" for name in FIGURES)} == set(tags["images"])
    assert {"distances/positive", "distances/negative"} == set(tags["histograms"])
    assert {"train/loss", "train/positive_distance", "embedding/used_dimensions"} <= set(tags["scalars"])
    assert not [tag for tag in tags["scalars"] if tag.startswith(LABELLED_TAGS)]
    assert SAID in events.Tensors("verdict/text_summary")[0].tensor_proto.string_val[0].decode()
    batch = events.Images("batch/tiles")[0]
    assert batch.width < 2 * 4 * 50, "four columns of tiles of 48 pixels, and no label map beside them"


def test_the_report_says_once_that_nothing_is_scored(unlabelled):
    page = checked(unlabelled / "report.html")
    assert page.text.count(SAID) == 1
    assert "Complete: all 6 steps." in page.text
    assert "No pictures yet" not in page.text
    assert page.row("used_dimensions") == ["1.000 ±0.000", "1.000 ±0.000"], "of two embeddings; none is the best"
    for name in FIGURES:
        assert f"figures/best/{name}.png" in page.text
    for absent in ("Confusion", "MAP@R", "no label:", "None", "band statistics"):
        assert absent not in page.text.partition("The resolved config")[0]


def test_a_resumed_run_is_that_of_one_go(unlabelled, workplace, no_figures):
    few = {"validation_nb": 20, "valIteration": 1}
    folder = run_in_process("unlabelled-in-two", epochs=1, iterations=3, **UNLABELLED, **few)
    assert main.main(["resume", str(folder), "epochs=2"]) == 0
    assert losses_of(folder) == losses_of(unlabelled)
    assert (folder / "metrics.csv").read_text() == (unlabelled / "metrics.csv").read_text()


def test_runs_are_compared_as_far_as_they_can_be(unlabelled, workplace, no_figures, capsys):
    labelled = run_in_process("scored")
    assert read_run(unlabelled).step == read_run(unlabelled).total_steps, "a grid takes it for complete"
    capsys.readouterr()
    assert main.main(["compare", str(unlabelled), str(labelled)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert SAID in told and "MAP@R" in told and "used_dimensions" not in told
    assert main.main(["compare", str(unlabelled)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert SAID in told and "MAP@R" not in told


def test_magnet_loss_and_named_labels_that_are_not_used(workplace, no_figures, caplog):
    maps = {"image": "image.tif", "labels": {"fields": "nowhere.tif"}}
    folder = run_in_process("named", loss="magnetloss", segmentation=False, **UNLABELLED | {"maps": maps})
    assert "'maps.labels': not used where 'validation_map' is null" in caplog.text
    assert np.isfinite(losses_of(folder)).all()
