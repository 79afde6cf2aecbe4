"""Runs in several processes that have the order of work that GPUs have, played on CPUs.

The next step begins before the results of the last one are read, and networks are evaluated beside the training. What
one process does alone, such as to begin an evaluation or to end with an error, must not wait for the others.
"""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from runs_for_tests import UNLABELLED, config_file, values_of, write_fields
from together_for_tests import codes_of, started_together

from training.evaluation_schedule import EvaluationSchedule
from training.execution.device import Execution
from training.forward import ForwardPass
from training.runs.checkpoint import load
from training.runs.faults import NotFinite
from training.scoring.snapshot_scorer import SnapshotScorer
from training.trainer import Trainer

EPOCHS, ITERATIONS = 2, 8
INSIDE = 3  # so many steps after the begin of an epoch evaluations begin
FAILING_STEP = 3
SOON = 60  # seconds in which runs of some steps end, on a machine that is busy


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working folder with maps."""
    folder = tmp_path_factory.mktemp("like_gpus")
    write_fields(folder)
    return folder


def like_gpus(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Execution, "max_pending_steps", 1)
    patch.setattr("assembly.background_cores", lambda execution: 1)


def evaluating_inside(patch: pytest.MonkeyPatch) -> None:
    """Begin evaluations, but for that of the last network, inside of epochs alone. Note the tiles of each step."""
    like_gpus(patch)
    begin, train_step = EvaluationSchedule._begin, Trainer._train_step

    def told_begin(evaluations, step):
        print(f"begun after {evaluations.state.steps_done} steps")
        begin(evaluations, step)

    def noted_step(trainer, batch, wait_seconds):
        with tiles_file(trainer.processes.share.rank).open("a") as file:
            print(batch.step, batch.positions.tolist(), file=file)
        train_step(trainer, batch, wait_seconds)

    patch.setattr(EvaluationSchedule, "_begin", told_begin)
    patch.setattr(Trainer, "_train_step", noted_step)
    patch.setattr(SnapshotScorer, "is_ready", lambda scorer, seconds_left: scorer._pending is None)
    patch.setattr(EvaluationSchedule, "_may_embed", lambda schedule: schedule.state.steps_done % ITERATIONS == INSIDE)


def tiles_file(rank: int) -> Path:
    return Path(f"tiles-{rank}.txt")


def test_an_evaluation_may_begin_inside_an_epoch(folder, monkeypatch):
    """The first process begins it while the others train; clusters are drawn by the losses of the steps before."""
    monkeypatch.chdir(folder)
    config_file("inside", loss="magnetloss", supervised=True, epochs=EPOCHS, iterations=ITERATIONS, valIteration=1)
    codes = codes_of(started_together(folder, 2, "inside.json", patched=evaluating_inside), SOON)
    text = said(folder)
    assert codes == [0, 0], text
    assert f"begun after {INSIDE} steps" in text
    steps = list(range(1, EPOCHS * ITERATIONS + 1))
    assert [step for step, _ in values_of(Path("results/inside"), "train/loss")] == steps
    tiles = [tiles_file(rank).read_text() for rank in (0, 1)]
    assert tiles[0] == tiles[1] and tiles[0].count("\n") == len(steps), "all draw the same clusters"


def failing(rank: int, error: Exception, patch: pytest.MonkeyPatch) -> None:
    """Have a step of one process fail before it gives its embeddings to the others."""
    like_gpus(patch)
    whole = ForwardPass.embed_functions

    def fail(*arguments):
        raise error

    def embed_functions(passes, step):
        functions = whole(passes, step)
        return replace(functions, train=fail, no_grad=fail) if step == FAILING_STEP else functions

    if int(os.environ["RANK"]) == rank:
        patch.setattr(ForwardPass, "embed_functions", embed_functions)


@pytest.mark.parametrize(
    ("rank", "error", "told", "kept"),
    [
        (0, torch.OutOfMemoryError("CUDA out of memory."), "the memory of cpu is too small", FAILING_STEP - 1),
        (1, torch.OutOfMemoryError("CUDA out of memory."), "the memory of cpu is too small", 0),
        (1, NotFinite(), "an embedding is not finite", 0),
    ],
)
def test_an_error_in_one_process_ends_all_with_its_line(folder, monkeypatch, rank, error, told, kept):
    """Without a step that the others would have to help with; only the first process can save the steps before."""
    monkeypatch.chdir(folder)
    name = f"failing-{rank}-{type(error).__name__}"
    config_file(name, **UNLABELLED, iterations=5, mining=["RANDOM_HARD_NEGATIVE"])
    started = started_together(folder, 2, f"{name}.json", patched=partial(failing, rank, error))
    codes = codes_of(started, SOON)
    text = said(folder)
    assert codes == [2, 2], text
    assert text.count(f"At step {FAILING_STEP}") == text.count(told) == 1 and "Traceback" not in text
    assert load(Path("results") / name / "last.pt")["step"] == kept


def said(folder: Path) -> str:
    """What the processes have said since the last call."""
    text = (folder / "output.txt").read_text()
    (folder / "output.txt").unlink()
    return text
