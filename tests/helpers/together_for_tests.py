"""Calls of a function, and of the command line, in several processes that form one group."""

import socket
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from processes_for_tests import process, started, unpatched
from runs_for_tests import without_figures

import main
from dataProcessors.sampling.share import Share
from training.execution.processes import Processes

SECONDS = 120  # after which a process counts as hanging


def together(numbers: tuple[int, ...], function: Callable[[Processes], Any], folder: Path) -> dict[int, list]:
    """Call a function of a module in so many processes at once, and then in as many as each further number says.

    Return number of processes -> what the function returned in each, plain values and tensors.
    """
    processes = [process(_call, rank, numbers, function, folder) for rank in range(max(numbers))]
    codes = codes_of(processes)
    assert codes == [0] * len(processes), f"exit codes {codes}; None: it hangs"
    return {
        number: [torch.load(folder / f"{number}-{rank}.pt", weights_only=True) for rank in range(number)]
        for number in numbers
    }


def _call(rank: int, numbers: tuple[int, ...], function: Callable[[Processes], Any], folder: Path) -> None:
    torch.set_num_threads(1)
    for number in numbers:
        if rank < number:
            store = dist.FileStore(str(folder / f"store-{number}"), number)
            dist.init_process_group("gloo", store=dist.PrefixStore("group", store), rank=rank, world_size=number)
            result = function(Processes(Share(rank, number), rank, number, store, "here"))
            torch.save(result, folder / f"{number}-{rank}.pt")
            dist.barrier()
            dist.destroy_process_group()


def started_together(
    folder: Path, number: int, *arguments: str, patched: Callable = unpatched, **changes: str
) -> list[BaseProcess]:
    """Call main.py in several processes, as torchrun does; changes: of their environment. See `started`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(number)}
    processes = []
    for rank in map(str, range(number)):
        local = {"RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": str(number)}
        environment = place | local | changes
        processes.append(started(folder, *arguments, figures=0, environment=environment, patched=patched))
    return processes


def codes_of(processes: list[BaseProcess], seconds: float = SECONDS) -> list[int | None]:
    """Wait for processes. Return their exit codes; None where one hangs."""
    for each in processes:
        each.join(seconds)
    codes = [each.exitcode for each in processes]
    for each in processes:
        each.kill()
    return codes


def main_without_figures(arguments: list[str]) -> None:
    """Call main.py, as torchrun does, and draw nothing."""
    with pytest.MonkeyPatch.context() as patch:
        without_figures(patch)
        sys.exit(main.main(arguments))
