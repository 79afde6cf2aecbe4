"""What is shown of the pace of a training: tiles a second, the share of waiting, the loss of an epoch."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from runs_for_tests import losses_of, run_in_process, small_config, values_of

from config import validate
from training.execution.device import Execution
from training.pending_steps import PendingStep, PendingSteps
from training.progress import Progress
from training.runs.checkpoint import Checkpoints
from training.trainer import Trainer

WAITS = {1: 3.0, 2: 0.25, 3: 0.0, 4: 1.0, 5: 0.5, 6: 0.0, 7: 7.0, 8: 1.0}  # seconds for the batch of each step
TILES, COMPUTING, WRITING = 12, 1.0, 100.0  # of a batch; seconds of a step; seconds of a checkpoint

pytestmark = pytest.mark.usefixtures("workplace", "no_figures")


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only where the constants above say so."""
    now = [0.0]

    def passing(function, seconds):
        def passed(*arguments):
            now[0] += seconds
            return function(*arguments)

        return passed

    def with_wait_seconds(batches):
        for batch in batches:
            now[0] += WAITS[batch.step]
            yield batch, WAITS[batch.step]

    monkeypatch.setattr("training.trainer.with_wait_seconds", with_wait_seconds)
    monkeypatch.setattr(Execution, "timestamp", lambda execution: now[0])
    monkeypatch.setattr(Trainer, "_forward_backward", passing(Trainer._forward_backward, COMPUTING))
    monkeypatch.setattr(Checkpoints, "write", passing(Checkpoints.write, WRITING))


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("minutes", [10, 1e-6])
def test_every_step_has_its_own_time(clock, monkeypatch, ahead, minutes):
    """The first and the last of an epoch too, and those around a checkpoint."""
    monkeypatch.setattr(Execution, "max_pending_steps", ahead)  # 1: as on a GPU
    folder = run_in_process(f"pace-{ahead}-{minutes}", iterations=4, epochs=2, checkpoint_minutes=minutes)
    seconds = {step: COMPUTING + wait for step, wait in WAITS.items()}
    assert dict(values_of(folder, "train/tiles_per_second")) == pytest.approx(
        {step: TILES / for_step for step, for_step in seconds.items()}
    )
    assert dict(values_of(folder, "train/wait_share")) == pytest.approx(
        {step: WAITS[step] / for_step for step, for_step in seconds.items()}
    )


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("minutes", [10, 1e-6])
def test_the_loss_of_an_epoch_is_the_mean_of_its_steps(monkeypatch, capsys, ahead, minutes):
    monkeypatch.setattr(Execution, "max_pending_steps", ahead)
    folder = run_in_process(f"losses-{ahead}-{minutes}", iterations=4, epochs=2, checkpoint_minutes=minutes)
    told = [float(loss) for loss in re.findall(r"epoch \d/2: loss ([\d.]+),", capsys.readouterr().out)]
    assert told == pytest.approx(np.reshape(losses_of(folder), (2, 4)).mean(1), abs=1e-4)


def test_work_after_a_step_is_no_part_of_any_step():
    """As to embed the tiles of an evaluation, before the results of the last step are read."""
    now, told = [0.0], []
    execution = SimpleNamespace(
        max_pending_steps=1, timestamp=lambda: now[0], seconds_between=Execution.seconds_between
    )  # fmt: skip
    step = SimpleNamespace(finish=lambda batch, terms: None)
    progress = SimpleNamespace(log=lambda batch, output, terms, values: told.append(values["tiles_per_second"]))
    pending = PendingSteps(step, progress, execution, None)
    for number, (computing, working) in enumerate([(1.0, 100.0), (2.0, 100.0), (4.0, 0.0)]):
        now[0] += computing
        batch = SimpleNamespace(step=number, positions=range(TILES))
        results = torch.tensor([1.0, 0.5])
        pending.add(PendingStep(batch, None, 0.0, now[0], ("finite", "loss"), lambda results=results: results))
        now[0] += working
        pending.restart_clock()
    pending.log()
    assert told == [TILES / 1, TILES / 2, TILES / 4]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_tells_when_it_was_done():
    execution = Execution(torch.device("cuda"), 1, "fp32")
    started = execution.timestamp()
    torch.cuda._sleep(10**8)  # clock cycles
    slept = execution.timestamp()
    nothing = execution.timestamp()
    assert execution.seconds_between(started, slept) > 100 * execution.seconds_between(slept, nothing)


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_pictures_hold_up_a_training_on_a_gpu_for_a_fiftieth_of_its_time_at_most(monkeypatch, device):
    """Each takes a second, and is due every ten seconds."""
    now, drawn = [0.0], []
    monkeypatch.setattr("training.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    progress = Progress(
        validate(small_config(iterations=10, epochs=12, device=device, validation_map="osm")),
        None,
        SimpleNamespace(log_step=lambda step, values: None),
    )

    def draw(batch, output):
        now[0] += 1
        drawn.append(batch.step)

    monkeypatch.setattr(progress, "_log_pictures", draw)
    monkeypatch.setattr(progress.hardest, "add", lambda *arguments: None)
    monkeypatch.setattr(progress, "_false_shares", lambda batch, output: {})
    for step in range(1, 121):
        now[0] += 1
        batch = SimpleNamespace(step=step, roles={}, positions=np.zeros((0, 2)))
        progress.log(batch, SimpleNamespace(tiles_of_terms=None), np.zeros(0), {"loss": 0.0, "embedding_spread": 1.0})
    assert drawn == ([10, 60, 110, 120] if device == "cuda" else list(range(10, 121, 10)))
