"""On which device a trained network embeds, in one process and in several."""

import logging
from dataclasses import replace

import pytest
import torch
from runs_for_tests import small_config

from config import UserError, validate
from dataProcessors.sampling.share import Share
from inference.core import trained_run
from training.execution.processes import ALONE, Processes

OF_TWO = Processes(Share(1, 2), local_rank=1, local_number=2, store=torch.distributed.HashStore())


def device_of(monkeypatch, trained_on: str, gpus: int, processes: Processes, is_chosen: bool = False) -> torch.device:
    """The device on a machine with so many GPUs; is_chosen: the user has named it instead of the run."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(trained_run, "resolve_threads", lambda config, processes: 1)
    config = validate(small_config(maps="demo", validation_map="osm", device=trained_on))
    return trained_run._execution(config, is_chosen, processes).device


def test_each_of_several_processes_has_a_gpu_whichever_trained(monkeypatch, caplog):
    for trained_on in ("cuda", "cuda:0", "cuda:1", "cuda:7"):
        assert device_of(monkeypatch, trained_on, 2, OF_TWO) == torch.device("cuda", 1)
    assert not caplog.text, "nothing is missing"


def test_a_device_that_is_missing_is_replaced_and_told(monkeypatch, caplog):
    with caplog.at_level(logging.WARNING):
        assert device_of(monkeypatch, "cuda:1", 1, ALONE) == torch.device("cuda")
        assert device_of(monkeypatch, "cuda:1", 0, OF_TWO) == torch.device("cpu")
    assert "This machine has no cuda:1, on which the network was trained: cuda is used" in caplog.text
    assert "This machine has no cuda, on which the network was trained: cpu is used" in caplog.text


def test_one_gpu_that_the_user_names_is_not_shared(monkeypatch):
    with pytest.raises(UserError, match="'device' is cuda:1, one GPU, and each of 2 processes has one"):
        device_of(monkeypatch, "cuda:1", 2, OF_TWO, is_chosen=True)
    with pytest.raises(UserError, match="'device' is cuda:1, which this machine does not have"):
        device_of(monkeypatch, "cuda:1", 1, ALONE, is_chosen=True)


def test_too_few_gpus_are_told_and_not_taken_for_missing_ones(monkeypatch, caplog):
    of_four = replace(OF_TWO, share=Share(1, 4), local_number=4)
    with pytest.raises(UserError, match="4 processes were started on a machine with 2 GPUs"):
        device_of(monkeypatch, "cuda:1", 2, of_four)
    assert not caplog.text
