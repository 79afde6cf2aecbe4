"""Calls of the command line in processes of their own that are ready at once."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType

import pytest
from runs_for_tests import with_some_figures

import main

READY = (
    "apply", "assembly", "grid.making", "matplotlib.figure", "processes_for_tests", "rasterio", "sklearn.ensemble",
    "sklearn.neural_network", "timm", "torch", "torch.utils.tensorboard",
)  # fmt: skip
FORKS = "forkserver" in multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver" if FORKS else "spawn")
if FORKS:  # a process that has loaded these, and nothing else, is copied: they take each new one seconds
    CONTEXT.set_forkserver_preload(list(READY))


def unpatched(patch: pytest.MonkeyPatch) -> None:
    """Leave the program as it is."""


def started(
    folder: Path,
    *arguments: str,
    figures: int = 4,
    environment: Mapping[str, str] = MappingProxyType({}),
    patched: Callable[[pytest.MonkeyPatch], None] = unpatched,
) -> BaseProcess:
    """Call main.py in a folder, with a few figures instead of all; what it says is added to output.txt there.

    Args:
        environment: variables that the process has beside those of this one
        patched: a function of a module, which changes the program in the process before it is called
    """
    return process(_call, folder, arguments, figures, dict(environment), patched)


def process(function: Callable, *arguments) -> BaseProcess:
    """Call a function in a new process."""
    if FORKS:
        from multiprocessing import forkserver

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # else the project's modules are not found there
            forkserver.ensure_running()
    started = CONTEXT.Process(target=function, args=arguments)
    started.start()
    return started


class Process:
    """A process of multiprocessing, used as a subprocess.Popen."""

    def __init__(self, process: BaseProcess):
        self.process = process
        self.terminate = process.terminate

    def poll(self) -> int | None:
        """Return the exit code; None if it is running."""
        return self.process.exitcode

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the end, but only so long; return the exit code."""
        self.process.join(seconds)
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to it."""
        os.kill(self.process.pid, number)


def _call(
    folder: Path, arguments: tuple[str, ...], figures: int, environment: dict[str, str], patched: Callable
) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    with open("output.txt", "ab", buffering=0) as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    with pytest.MonkeyPatch.context() as patch:
        with_some_figures(patch, figures)
        patched(patch)
        sys.exit(main.main(list(arguments)))
