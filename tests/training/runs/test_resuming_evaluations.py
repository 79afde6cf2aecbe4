"""Runs that are interrupted while a network is evaluated, between steps or beside them, or was just evaluated."""

import signal
import threading
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from interruptions_for_tests import LONG, interrupted_run
from runs_for_tests import config_file, losses_of, run_in_process, values_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main
from training.evaluation_schedule import EvaluationSchedule
from training.forward import ForwardPass
from training.runs.checkpoint import Checkpoints, load, name_of_evaluated
from training.runs.faults import NotFinite
from training.scoring.evaluator import Evaluator
from training.scoring.snapshot_scorer import SnapshotScorer
from training.snapshots import Snapshots
from training.trainer import Trainer

RUN = EvaluationSchedule.run  # which the fixture `beside` replaces


def test_an_interrupted_evaluation_is_made_again(reference, workplace, no_figures, monkeypatch):
    with monkeypatch.context() as patch:
        calls = []

        def interrupted(self, features, call):
            calls.append(features)
            if len(calls) == 4:  # the untrained network and two yardsticks come first
                signal.raise_signal(signal.SIGINT)
            return evaluate(self, features, call)

        evaluate = Evaluator.evaluate
        patch.setattr(Evaluator, "evaluate", interrupted)
        assert main.main([str(config_file("evaluation", **LONG))]) == 130
    folder = Path("results/evaluation")
    assert load(folder / "last.pt")["evaluating"] == [4]
    assert main.main(["resume", str(folder)]) == 0
    assert (folder / "metrics.csv").read_text() == (reference / "metrics.csv").read_text()
    assert values_of(folder, "multi_class/gSil") == values_of(reference, "multi_class/gSil")
    events = EventAccumulator(str(folder / "tensorboard/trained")).Reload()
    assert [image.step for image in events.Images("batch/tiles")] == [4, 8], "of the epoch that was made before, too"


@pytest.mark.parametrize("changes", [{}, {"epochs": 4, "evaluate_every": 3}])
def test_a_signal_in_the_last_step_leaves_the_last_network_to_be_evaluated(
    reference, workplace, no_figures, monkeypatch, changes
):
    folder = interrupted_run(monkeypatch, f"last-{len(changes)}", 8, **LONG | changes)
    assert load(folder / "last.pt")["evaluating"] == [], "the signal came before"
    assert main.main(["resume", str(folder), "epochs=2"]) == 0
    assert values_of(folder, "multi_class/gSil")[-1] == values_of(reference, "multi_class/gSil")[-1]
    assert load(folder / "last.pt")["scorer"]["scored_step"] == 8
    assert (folder / "verdict.txt").exists()


@pytest.fixture
def beside(monkeypatch):
    """Evaluations run beside the training, as on a GPU, and wait for `go`; where one is due, training waits for it.

    So every network is evaluated, as in the run that they are compared with.
    """
    go, whole = threading.Event(), Evaluator.evaluate

    class BesideScorer(SnapshotScorer):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords | {"background_cores": 2})

    def evaluate(evaluator, features, call):
        assert go.wait(60)
        return whole(evaluator, features, call)

    monkeypatch.setattr("assembly.SnapshotScorer", BesideScorer)
    monkeypatch.setattr(Evaluator, "evaluate", evaluate)
    monkeypatch.setattr(EvaluationSchedule, "_seconds_left", lambda evaluations: np.inf)
    monkeypatch.setattr(EvaluationSchedule, "_may_embed", lambda evaluations: True)
    monkeypatch.setattr(EvaluationSchedule, "run", lambda evaluations: (evaluations.scorer.wait(), RUN(evaluations)))
    go.set()
    yield go
    go.set()


@pytest.mark.parametrize(("step", "pending"), [(2, 0), (6, 4)])
def test_an_evaluation_that_was_pending_beside_the_training_is_made_up_for(
    reference, workplace, no_figures, monkeypatch, beside, step, pending
):
    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "current_alone", hold_after(pending, Snapshots.current_alone, beside))
        broken = interrupted_run(patch, f"beside-{step}", step, **LONG)
    beside.set()
    assert load(broken / "last.pt")["evaluating"] == [pending]
    assert load(broken / "last.pt")["step"] == step
    assert load(broken / name_of_evaluated(pending))["step"] == pending
    assert main.main(["resume", str(broken)]) == 0
    for name in ("metrics.csv", "draws.csv", "verdict.txt"):
        assert (broken / name).read_text() == (reference / name).read_text()
    for tag in ("train/loss", "retrieval/MAP@R"):
        assert values_of(broken, tag) == values_of(reference, tag)
    assert load(broken / "best.pt")["step"] == load(reference / "best.pt")["step"]
    assert not list(broken.glob("evaluating*"))


def test_a_network_that_waited_is_evaluated_in_the_middle_of_an_epoch(
    reference, workplace, no_figures, monkeypatch, beside
):
    """Its weights come from the disk, and training goes on from its own."""
    train_step = Trainer._train_step

    def step(trainer, batch, waited):
        if batch.step == 6:  # the evaluation of the untrained network ends, and that of step 4 begins
            beside.set()
            trainer.scorer._pending[-1].result(60)
        train_step(trainer, batch, waited)
        if batch.step <= 6:
            assert trainer.scorer.running == (0 if batch.step < 6 else 4)

    beside.clear()
    monkeypatch.setattr(EvaluationSchedule, "run", RUN)
    monkeypatch.setattr(Trainer, "_train_step", step)
    folder = run_in_process("between", **LONG)
    for name in ("metrics.csv", "draws.csv", "verdict.txt"):
        assert (folder / name).read_text() == (reference / name).read_text()
    assert losses_of(folder) == losses_of(reference)


def held_run(monkeypatch, name: str, go: threading.Event) -> Path:
    """A run whose evaluation of step 4 is still going on when a signal ends it, while step 8's waits for that one."""
    whole = EvaluationSchedule.run

    def run(evaluations):
        if evaluations.state.steps_done == 8:
            signal.raise_signal(signal.SIGTERM)
        whole(evaluations)

    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "current_alone", hold_after(4, Snapshots.current_alone, go))
        patch.setattr(EvaluationSchedule, "run", run)
        assert main.main([str(config_file(name, **LONG))]) == 128 + signal.SIGTERM
    go.set()
    folder = Path("results") / name
    assert (load(folder / "last.pt")["step"], load(folder / "last.pt")["evaluating"]) == (8, [4])
    return folder


def test_an_epoch_that_ended_while_an_earlier_one_was_evaluated_is_evaluated_too(
    reference, workplace, no_figures, monkeypatch, beside
):
    broken = held_run(monkeypatch, "waiting", beside)
    assert main.main(["resume", str(broken)]) == 0
    assert (broken / "metrics.csv").read_text() == (reference / "metrics.csv").read_text()


def test_training_goes_on_from_its_own_weights_where_an_earlier_network_cannot_be_evaluated(
    reference, workplace, no_figures, monkeypatch, beside, caplog
):
    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "current_alone", hold_after(4, Snapshots.current_alone, beside))
        broken = interrupted_run(patch, "own", 6, **LONG)
    beside.set()
    whole, calls = ForwardPass.embed_positions, count(1)

    def embed(passes, positions):
        if next(calls) == 1:
            raise NotFinite
        return whole(passes, positions)

    monkeypatch.setattr(ForwardPass, "embed_positions", embed)
    assert main.main(["resume", str(broken)]) == 0
    assert "The network in evaluating-000004.pt is not evaluated or drawn" in caplog.text
    assert losses_of(broken) == losses_of(reference)


def test_a_run_ends_without_the_best_network_of_before(workplace, no_figures, monkeypatch, caplog):
    values = iter([0.1, 0.9, 0.5])
    monkeypatch.setattr("training.scoring.snapshot_scorer.objective", lambda scores, tag: next(values))
    broken = interrupted_run(monkeypatch, "bestless", 6, **LONG)
    (broken / "best.pt").unlink()
    assert main.main(["resume", str(broken)]) == 0
    assert "The network in best.pt is not evaluated or drawn" in caplog.text
    assert load(broken / "last.pt")["evaluating"] == []


def hold_after(step: int, snapshot, go: threading.Event):
    """A Snapshots.current after which evaluations wait, from that of a step on."""

    def taken(snapshots):
        if snapshots.state.steps_done == step:
            go.clear()
        return snapshot(snapshots)

    return taken


def test_the_network_in_evaluation_is_kept_until_a_checkpoint_knows_of_its_end(tmp_path):
    checkpoints = Checkpoints(tmp_path, 10)
    checkpoints.write({"evaluating": [5]})
    checkpoints.save_for_evaluation(5)
    checkpoints.save_as_best(5)
    assert load(tmp_path / "best.pt")["evaluating"] == [5]
    assert (tmp_path / name_of_evaluated(5)).exists(), "last.pt still says that it is to be evaluated"
    checkpoints.write({"evaluating": []})
    assert not (tmp_path / name_of_evaluated(5)).exists()


class Killed(BaseException):
    """Ends a run as a kill does: nothing more is written."""


def test_scores_that_were_shown_before_a_checkpoint_knows_of_them_are_shown_once(
    reference, workplace, no_figures, monkeypatch
):
    """As after a kill between the scores of an epoch and the next checkpoint, which holds the epoch's last step."""
    whole = SnapshotScorer._report

    def killed(scorer, snapshot, *arguments):
        whole(scorer, snapshot, *arguments)
        if snapshot.step == 4:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SnapshotScorer, "_report", killed)
        with pytest.raises(Killed):
            main.main([str(config_file("killed", **LONG))])
    folder = Path("results/killed")
    checkpoint = load(folder / "last.pt")
    assert (checkpoint["step"], checkpoint["scorer"]["scored_step"]) == (4, 0)
    assert [step for step, _ in values_of(folder, "retrieval/MAP@R")] == [0, 4]
    assert main.main(["resume", str(folder)]) == 0
    assert (folder / "metrics.csv").read_text() == (reference / "metrics.csv").read_text()
    for tag in ("train/loss", "retrieval/MAP@R"):
        assert values_of(folder, tag) == values_of(reference, tag)
