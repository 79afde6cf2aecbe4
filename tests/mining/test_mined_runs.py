"""Runs with the miners and losses of pytorch-metric-learning."""

import itertools
import signal

import numpy as np
import pytest
import torch
from runs_for_tests import config_file, losses_of, run_in_process, values_of

import main
from config.library import LIBRARY_MINERS, LOSSES_WITH_MINERS
from training.runs.checkpoint import load
from training.trainer import Trainer

RUNS = list(zip([*LIBRARY_MINERS, None], itertools.cycle(LOSSES_WITH_MINERS)))  # every miner, every loss, and all pairs


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize(("miner", "loss"), RUNS)
def test_every_miner_and_every_loss_trains(workplace, no_figures, miner, loss, supervised):
    folder = run_in_process(
        f"{miner}-{loss}", loss=loss, mining=[miner] if miner else [], supervised=supervised, valIteration=1
    )
    assert np.isfinite(losses_of(folder)).all()
    assert len(losses_of(folder)) == 2


def test_a_miner_with_parameters_after_offline_mining_by_the_triplet_loss(workplace, no_figures):
    mining = ["RANDOM_HARD_POSITIVE", {"TripletMarginMiner": {"type_of_triplets": "all", "margin": 2}}]
    folder = run_in_process("offline", mining=mining, valIteration=1)
    assert all(loss > 0 for loss in losses_of(folder))
    assert "TripletMarginMiner" in (folder / "report.html").read_text()


def test_a_miner_that_finds_nothing_breaks_nothing(workplace, no_figures):
    nothing = {"PairMarginMiner": {"pos_margin": 2, "neg_margin": 0}}
    folder = run_in_process("nothing", loss={"contrastiveloss": {"neg_margin": 0.5}}, mining=nothing, valIteration=1)
    assert losses_of(folder) == [0, 0]
    assert values_of(folder, "train/active_share") == [(1, 0), (2, 0)]


def test_a_run_with_draws_is_made_again_and_resumed_bit_for_bit(workplace, no_figures, monkeypatch):
    changes = {"loss": "ntxentloss", "mining": "DistanceWeightedMiner", "iterations": 3, "valIteration": 1}
    unbroken = run_in_process("unbroken-drawn", **changes)
    whole = Trainer._train_step

    def interrupted(trainer, batch, waited):
        if batch.step == 2:
            signal.raise_signal(signal.SIGTERM)
        return whole(trainer, batch, waited)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_step", interrupted)
        assert main.main([str(config_file("broken-drawn", **changes))]) == 128 + signal.SIGTERM
    assert main.main(["resume", "results/broken-drawn"]) == 0
    broken = unbroken.parent / "broken-drawn"
    assert losses_of(broken) == losses_of(unbroken)
    ours, theirs = (load(folder / "last.pt")["network"] for folder in (broken, unbroken))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
