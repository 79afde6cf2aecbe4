"""Calls of the command line in processes of their own that are ready at once."""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType

import pytest
from runs_for_tests import with_some_figures

import main

HEAVY = (
    "matplotlib.figure", "rasterio", "sklearn.ensemble", "sklearn.neural_network", "timm", "torch",
    "torch.utils.tensorboard",
)  # fmt: skip
FORKS = "forkserver" in multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver" if FORKS else "spawn")
if FORKS:  # a process that has loaded these, and nothing else, is copied: they take each new one seconds
    CONTEXT.set_forkserver_preload(list(HEAVY))


def started(
    folder: Path, *arguments: str, figures: int = 4, environment: Mapping[str, str] = MappingProxyType({})
) -> BaseProcess:
    """Call main.py in a folder, with a few figures instead of all; what it says is added to output.txt there.

    environment: variables that the process has beside those of this one
    """
    process = CONTEXT.Process(target=_call, args=(folder, arguments, figures, dict(environment)))
    process.start()
    return process


def _call(folder: Path, arguments: tuple[str, ...], figures: int, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    with open("output.txt", "ab", buffering=0) as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    with pytest.MonkeyPatch.context() as patch:
        with_some_figures(patch, figures)
        sys.exit(main.main(list(arguments)))
