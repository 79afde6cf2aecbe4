"""Numbers that go wrong in a training are told of, and do not reach a checkpoint."""

import logging
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from runs_for_tests import refused, run_in_process, values_of

from networks import Embedder
from training.execution.device import Execution
from training.progress import Progress, embedding_spread
from training.runs.checkpoint import load
from training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("no_figures")


def test_collapsed_embeddings_are_warned_of(workplace, monkeypatch, caplog):
    whole = Embedder.forward

    def constant(network, tiles):
        return whole(network, tiles) * 1e-3 + torch.tensor([1.0] + [0.0] * 63)

    monkeypatch.setattr(Embedder, "forward", constant)
    with caplog.at_level(logging.WARNING):
        folder = run_in_process("one-place")
    (warning,) = [record.getMessage() for record in caplog.records if "collapsed" in record.getMessage()]
    assert warning.startswith("epoch 1: ")
    assert all(value < 1e-3 for _, value in values_of(folder, "train/embedding_spread"))


def test_a_training_that_works_is_not_warned_of(workplace, caplog):
    with caplog.at_level(logging.WARNING):
        folder = run_in_process("spread")
    assert not [record for record in caplog.records if "collapsed" in record.getMessage()]
    assert all(1e-3 < value <= 1 for _, value in values_of(folder, "train/embedding_spread"))
    assert all(0 <= value <= 1 for _, value in values_of(folder, "train/active_share"))


def test_spread_against_a_loop():
    embeddings = torch.randn(20, 5, dtype=torch.float64) + 3
    mean = sum(embeddings) / 20
    away = sum(float(sum((row - mean) ** 2)) for row in embeddings) / 20
    length = sum(float(sum(row**2)) for row in embeddings) / 20
    assert embedding_spread(embeddings).item() == pytest.approx(away / length, rel=1e-5)
    assert embedding_spread(torch.ones(7, 3)).item() == 0
    assert embedding_spread(torch.zeros(7, 3)).item() == 0
    assert embedding_spread(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item() == 1


def test_weights_that_are_not_finite_do_not_reach_a_checkpoint(workplace, monkeypatch, capsys):
    """A gradient can be infinite though loss and embeddings are not."""
    whole = Trainer._train_step

    def breaking(trainer, batch, waited):
        loss = whole(trainer, batch, waited)
        if batch.step == 3:
            with torch.no_grad():
                trainer.forward.network.head.weight[0, 0] = torch.inf
        return loss

    monkeypatch.setattr(Trainer, "_train_step", breaking)
    message = refused(capsys, "infinite_weight", iterations=5, checkpoint_minutes=1e-6)
    assert "At step 3, with learning rate 0.0002, a weight is not finite" in message
    last = load(Path("results/infinite_weight/last.pt"))
    assert last["step"] == 2
    assert all(value.isfinite().all() for value in last["network"].values())


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_loss_that_is_not_finite_stops_with_its_batch(workplace, monkeypatch, capsys, ahead):
    monkeypatch.setattr(Execution, "max_pending_steps", ahead)  # 1: as on a GPU
    whole, steps = Progress.step_values, count(1)

    def broken(progress, loss, output):
        values = whole(progress, loss, output)
        return values | ({"loss": torch.tensor(torch.inf)} if next(steps) == 3 else {})

    monkeypatch.setattr(Progress, "step_values", broken)
    message = refused(capsys, f"infinite-{ahead}", iterations=5, checkpoint_minutes=1e-6)
    assert "At step 3, with learning rate 0.0002, the loss is inf" in message
    folder = Path(f"results/infinite-{ahead}")
    with np.load(folder / "not_finite-000003.npz", allow_pickle=False) as batch:
        assert sorted(batch) == ["anchor", "negative", "positions", "positive", "tiles"]
        assert str(tuple(batch["positions"][0].tolist())) in message
    assert load(folder / "last.pt")["step"] == 2


@pytest.mark.parametrize("ahead", [0, 1])
def test_the_step_that_diverged_is_told_not_the_one_that_met_its_weights(workplace, monkeypatch, capsys, ahead):
    """Mining looks at embeddings before the results of the step before are read."""
    monkeypatch.setattr(Execution, "max_pending_steps", ahead)
    whole = Trainer._forward_backward

    def broken(trainer, batch):
        loss, output = whole(trainer, batch)
        if batch.step != 3:
            return loss, output
        for parameter in trainer.forward.network.parameters():
            parameter.grad.fill_(torch.nan)
        return loss * torch.inf, output

    monkeypatch.setattr(Trainer, "_forward_backward", broken)
    message = refused(capsys, f"mined-infinite-{ahead}", iterations=5, mining=["HARD_NEGATIVE"])
    assert "At step 3, with learning rate 0.0002, the loss is inf" in message
    saved = Path(f"results/mined-infinite-{ahead}").glob("not_finite*")
    assert [path.name for path in saved] == ["not_finite-000003.npz"]
