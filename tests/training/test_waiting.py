"""Between training steps a signal ends the wait for another process, which may need long or never come."""

import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from runs_for_tests import small_config
from test_processes import Network, open_maps
from together_for_tests import together

from config import validate
from training.execution.device import Execution
from training.execution.processes import ALONE, Processes
from training.forward import ForwardPass

SIGNAL_SECONDS = 0.3  # after which a signal comes


class Signal(Exception):
    """A signal has come."""


def estimate_statistics(processes: Processes) -> None:
    config = validate(small_config(maps="demo", validation_map="osm"))
    maps = open_maps(False, 10)
    forward = ForwardPass(config, Network(False), Execution(torch.device("cpu"), 1, "fp32", False), maps, ALONE)
    forward.processes = processes
    forward.estimate_batchnorm_statistics()


EXCHANGES: dict[str, Callable[[Processes], object]] = {
    "broadcast": lambda processes: processes.broadcast(lambda: 1),
    "shared_out": lambda processes: processes.shared_out(lambda rows: rows, np.zeros((4, 2), np.float32)),
    "parallel": lambda processes: processes.parallel(torch.nn.Linear(2, 2), has_unused=False),
    "estimate_statistics": estimate_statistics,
}


def is_ended_by_signal(exchange: Callable[[Processes], object], processes: Processes) -> bool:
    def come(*_):
        raise Signal

    signal.signal(signal.SIGALRM, come)
    signal.setitimer(signal.ITIMER_REAL, SIGNAL_SECONDS)
    try:
        exchange(processes)
    except Signal:
        return True
    return False


def ended_waits(processes: Processes) -> list[str]:
    """The exchanges that this process has begun, to which the other one never comes, and that a signal has ended."""
    ended = []
    for number, (name, exchange) in enumerate(EXCHANGES.items()):
        for rank in range(processes.number):
            if rank == processes.share.rank:
                alone = replace(processes, _waits=count(1000 * (2 * number + rank + 1)))
                ended += [name] * is_ended_by_signal(exchange, alone)
            processes.barrier()
    return ended


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> list[list[str]]:
    return together((2,), ended_waits, tmp_path_factory.mktemp("waiting"))[2]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_ends_the_wait_for_a_process_that_never_comes(ended, rank):
    assert ended[rank] == list(EXCHANGES)
