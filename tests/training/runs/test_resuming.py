"""Runs that are interrupted and gone on with: nothing is lost but the steps since the last checkpoint."""

import json
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from interruptions_for_tests import LONG, interrupt_after, interrupted_again, interrupted_run
from networks_for_tests import with_narrow_networks
from runs_for_tests import UNLABELLED, config_file, losses_of, rows_of, run_in_process, values_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main
from inference.core.trained_run import open_trained
from training.execution.device import Execution
from training.runs.checkpoint import load, save
from training.saving import Saver
from training.scoring.fit_tiles import fit_tiles_file, load_fit_tiles
from training.scoring.snapshot_scorer import SnapshotScorer
from training.trainer import Trainer

# each has something of its own to remember: the walk of the anchors, fresh draws, the cluster index
KINDS = {
    "walk": {"loss": "tripletloss", "random_reset": 0.3, "mining": ["HARD_NEGATIVE"]},
    "fresh": {"loss": "quadrupletloss", "mining": ["RANDOM_HARD_NEGATIVE", "HARD_POSITIVE"]},
    "clusters": {"loss": "magnetloss", "random_reset": 0.0},
    "index": {"loss": "magnetloss", "supervised": True},
    "transformer": {"loss": "tripletloss", "network": "transformer"},
    "unlabelled": {"loss": "tripletloss"} | UNLABELLED,
    "bf16": {
        "loss": "tripletloss",
        "precision": "bf16",
        "channels_last": True,
        "threads": 2,
        "image_size": 32,
        "max_neg_dist": 6,
        "validation_spacing": 5,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_scores_are_those_of_an_unbroken_run(workplace, no_figures, monkeypatch, kind):
    """A run that is interrupted four times: at its first step, within an epoch, at its end, within the last."""
    with_narrow_networks(monkeypatch)
    changes = LONG | KINDS[kind]
    folder = run_in_process(f"unbroken-{kind}", **changes)
    broken = interrupted_run(monkeypatch, f"broken-{kind}", 1, **changes)
    assert load(broken / "last.pt")["step"] == 1, "the step was finished, and kept"
    for step in (3, 4, 6):
        interrupted_again(monkeypatch, broken, step)
        assert load(broken / "last.pt")["step"] == step
    assert main.main(["resume", str(broken)]) == 0
    assert losses_of(broken) == losses_of(folder), "bit for bit"
    for name in ("metrics.csv", "draws.csv", "verdict.txt"):
        assert (broken / name).read_text() == (folder / name).read_text()
    of_labels = ["embedding/used_dimensions"] if kind == "unlabelled" else ["train/false_positives", "retrieval/MAP@R"]
    for tag in ["train/embedding_spread", *of_labels]:
        assert values_of(broken, tag) == values_of(folder, tag), "without doubled or missing steps"
    for name in ("last.pt", "best.pt"):
        ours, theirs = (load(each / name)["network"] for each in (broken, folder))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert_kept_fit_tiles(broken, kind != "unlabelled")
    assert not list(broken.glob("evaluating*"))


def assert_kept_fit_tiles(folder: Path, has_labels: bool) -> None:
    """Check that the embeddings of the tiles to fit on are those by best.pt, where there are any."""
    assert fit_tiles_file(folder / "best.pt").exists() == has_labels
    if has_labels:
        run = open_trained(folder)
        positions = np.load(fit_tiles_file(run.checkpoint))["positions"][:40]
        kept = load_fit_tiles(run.checkpoint, run.digest, positions, run.execution)
        tolerance = 0.05 if run.execution.precision == "bf16" else 1e-4
        np.testing.assert_allclose(
            kept, run.embed(run.open_image().read(positions, run.config.image_size)), atol=tolerance
        )


def test_figures_and_projections_go_on(workplace, one_figure):
    """The projector goes on to show the best of before, beside the network that is now the last."""
    settings = LONG | {"single_class_classifiers": ["dt"], "epochs": 1}
    folder = run_in_process("shown", **settings)
    assert main.main(["resume", str(folder), "epochs=2"]) == 0
    listed = (folder / "tensorboard/trained/projector_config.pbtxt").read_text()
    events = EventAccumulator(str(folder / "tensorboard/trained"), purge_orphaned_data=False).Reload()
    drawn = [image.step for image in events.Images("figures/confusion_matrix/dt")]
    assert {4, 8} <= set(drawn) <= {0, 4, 8}, "the best may be the untrained network"
    shown = {name: int(step) for name, step in re.findall(r'"(best|last):(\d+)', listed)}
    assert shown["best"] == load(folder / "best.pt")["step"]
    assert max(shown.values()) == 8
    assert list(shown.values()) == sorted(shown.values(), reverse=True), "the newest is shown first"
    assert [event.step for event in events.Images("batch/hardest")] == [4, 8]
    assert [image.step for image in events.Images("batch/tiles")] == [4, 8]
    assert len(events.Tensors("config/text_summary")) == 1


def test_what_to_call_next_is_told(workplace, no_figures, monkeypatch, capsys):
    interrupted_run(monkeypatch, "told", 2, **LONG)
    assert "python main.py resume results/told" in capsys.readouterr().err


def test_ctrl_c_has_its_own_exit_code(workplace, no_figures, monkeypatch):
    interrupt_after(monkeypatch, 2, signal.SIGINT)
    assert main.main([str(config_file("ctrl-c", **LONG))]) == 130


def test_a_signal_while_a_checkpoint_is_loaded_changes_nothing(broken, monkeypatch):
    before = (broken / "last.pt").read_bytes()
    whole = SnapshotScorer.load_state_dict

    def interrupted(evaluations, state):
        signal.raise_signal(signal.SIGTERM)
        whole(evaluations, state)

    with monkeypatch.context() as patch:
        patch.setattr(SnapshotScorer, "load_state_dict", interrupted)
        assert main.main(["resume", str(broken)]) == 128 + signal.SIGTERM
    assert (broken / "last.pt").read_bytes() == before


@pytest.mark.parametrize("step", [3, 4, 6])
def test_a_run_whose_steps_are_read_later_shows_the_same(reference, workplace, no_figures, monkeypatch, step):
    """As on a GPU, which is given the next step before the results of the last one are waited for."""
    monkeypatch.setattr(Execution, "max_pending_steps", 1)
    broken = interrupted_run(monkeypatch, f"later-{step}", step, **LONG)
    assert load(broken / "last.pt")["step"] == step
    assert len(losses_of(broken)) == step, "all that a checkpoint holds is shown"
    assert main.main(["resume", str(broken)]) == 0
    for tag in ("train/loss", "train/positive_distance", "retrieval/MAP@R"):
        assert values_of(broken, tag) == values_of(reference, tag)


def test_what_was_shown_after_the_checkpoint_is_shown_once(broken):
    """As after a kill: events and scores are there of steps that no checkpoint holds."""
    checkpoint = load(broken / "last.pt")
    with (broken / "metrics.csv").open("a") as file:
        file.write("8,trained,single_class,-,MAP@R,0.5,0\n8,trained,sing")
    assert main.main(["resume", str(broken)]) == 0
    shutil.copytree(broken, "results/doubled")
    save(Path("results/doubled/last.pt"), {key: value for key, value in checkpoint.items() if key != "format"})
    assert main.main(["resume", "results/doubled"]) == 0
    for folder in (broken, Path("results/doubled")):
        assert [step for step, _ in values_of(folder, "train/loss")] == list(range(1, 9))
        assert [step for step, _ in values_of(folder, "retrieval/MAP@R")] == [0, 4, 8]
        assert {row["step"] for row in rows_of(folder)} == {"0", "4", "8"}
        assert None not in rows_of(folder)[-1].values()
    shutil.rmtree("results/doubled")


def test_a_run_without_a_checkpoint_begins_again(broken):
    for path in broken.glob("*.pt"):
        path.unlink()
    assert main.main(["resume", str(broken)]) == 0
    assert [step for step, _ in values_of(broken, "train/loss")] == list(range(1, 9))
    assert {row["step"] for row in rows_of(broken)} == {"0", "4", "8"}


def test_half_written_files_are_removed(broken):
    (broken / ".part-0123abcd-last.pt").write_bytes(b"half")
    assert main.main(["resume", str(broken)]) == 0
    assert not list(broken.rglob(".part-*"))


def test_resumption_is_noted_and_more_epochs_can_be_made(broken):
    assert main.main(["resume", str(broken), "epochs=3"]) == 0
    assert json.loads((broken / "config.json").read_text())["epochs"] == 3
    (resumed,) = json.loads((broken / "run.json").read_text())["resumed"]
    assert resumed["step"] == 6
    assert [step for step, _ in values_of(broken, "train/loss")] == list(range(1, 13))
    assert main.main(["resume", str(broken), "epochs=4"]) == 0, "a complete run too"
    assert len(losses_of(broken)) == 16


def test_precision_layout_and_threads_are_those_that_the_run_had_found(workplace, no_figures, monkeypatch):
    """Another machine, or this one at another moment, might choose others."""
    open_choices = {"precision": "auto", "channels_last": "auto", "threads": "auto"}
    broken = interrupted_run(monkeypatch, "found", 3, **LONG | open_choices)
    before = json.loads((broken / "config.json").read_text())
    assert not {"auto"} & {before[key] for key in open_choices}
    monkeypatch.setattr("training.execution.precision.choose", lambda *arguments: pytest.fail("measured again"))
    monkeypatch.setattr("training.execution.device.usable_cores", lambda: before["threads"] + 5)
    assert main.main(["resume", str(broken)]) == 0
    assert json.loads((broken / "config.json").read_text()) == before
    assert {key: load(broken / "last.pt")["config"][key] for key in open_choices} == {
        key: before[key] for key in open_choices
    }


def test_a_run_of_a_gpu_goes_on_on_a_cpu(broken):
    content = load(broken / "last.pt")
    content["optimizer"]["param_groups"][0]["fused"] = True
    save(broken / "last.pt", {key: value for key, value in content.items() if key != "format"})
    assert main.main(["resume", str(broken), "device=cpu"]) == 0
    assert load(broken / "last.pt")["optimizer"]["param_groups"][0]["fused"] is None


def test_checkpoints_are_written_in_time(workplace, no_figures, monkeypatch):
    written = []
    whole = Saver.save
    monkeypatch.setattr(Saver, "save", lambda saver: (written.append(saver.state.steps_done), whole(saver))[1])
    run_in_process("in-time", checkpoint_minutes=1e-6, **LONG)
    assert written == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8], "after every step, and at the end of the run once more"
    written.clear()
    run_in_process("seldom", checkpoint_minutes=60, evaluate_every=2, **LONG)
    assert written == [0, 4, 8, 8], "after every epoch"


def test_best_is_the_best_and_not_the_latest(workplace, no_figures, monkeypatch):
    values = iter([0.1, 0.5, 0.9, 0.4, 0.8])
    monkeypatch.setattr("training.scoring.snapshot_scorer.objective", lambda scores, tag: next(values))
    folder = run_in_process("best", **LONG | {"epochs": 4})
    assert load(folder / "best.pt")["step"] == 8
    assert load(folder / "last.pt")["step"] == 16


def test_state_of_random_generators_is_kept(workplace, no_figures, monkeypatch):
    """For networks with dropout: what torch itself draws goes on too."""
    drawn = {}
    whole = Trainer._train_step

    def drawing(trainer, batch, waited):
        drawn.setdefault(trainer.faults.folder.name, []).append(float(torch.rand(())))
        return whole(trainer, batch, waited)

    monkeypatch.setattr(Trainer, "_train_step", drawing)
    torch.manual_seed(5)
    run_in_process("drawn", **LONG)
    torch.manual_seed(6)  # of no effect: the run has a seed of its own
    broken = interrupted_run(monkeypatch, "drawn-broken", 3, **LONG)
    torch.manual_seed(99)
    assert main.main(["resume", str(broken)]) == 0
    assert drawn["drawn-broken"] == drawn["drawn"]
    assert np.std(drawn["drawn"]) > 0
