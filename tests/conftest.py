"""What tests of several packages share, and how they run beside one another."""

import gc
import os

# before anything that computes is loaded: each worker has one thread, and those of a run that asks for more sleep while
# they wait; else the threads of several processes would hold one another up
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("NUMBA_OPT", "0")  # numba compiles for UMAP longer than the few tiles of a test take

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from groups_for_tests import GroupScheduling
from runs_for_tests import (
    run_in_process,
    with_some_figures,
    without_curves,
    without_figures,
    without_waiting_for_disks,
    write_fields,
)

from dataProcessors.legends.legend import builtin_legends
from training.execution.openmp import limit_spinning


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """As many workers as there are cores for folders (None: pytest-xdist counts them), none for single files.

    Whoever works on one thing starts a file of tests often, and a worker takes seconds to start.
    """
    return None if all(Path(path).is_dir() for path in config.args) else 0


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> GroupScheduling:
    """Give tests to workers one by one, but for the groups, which each stay with one worker."""
    return GroupScheduling(config, log)


def pytest_configure() -> None:
    """Let threads wait as in runs of main.py, and let Ctrl-C work, which background processes of a shell ignore."""
    limit_spinning()
    without_waiting_for_disks()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what was imported, some million objects, out of all later searches for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def legends():
    """The legends that come with the project: "osm" and "clc"."""
    return builtin_legends()


@pytest.fixture(scope="session")
def map_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    write_fields(folder)
    return folder


@pytest.fixture
def workplace(map_folder, monkeypatch) -> Path:
    """The working folder of runs; its maps are prepared only once."""
    monkeypatch.chdir(map_folder)
    return map_folder


@pytest.fixture(scope="module")
def workplace_of_module(map_folder) -> Iterator[Path]:
    """The working folder of runs, for all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(map_folder)
        yield map_folder


@pytest.fixture(scope="session")
def complete_run(map_folder) -> Path:
    """The folder of a run of which everything is drawn. Many tests read it, and none may change it.

    All of them are in the group "pictures" of groups_for_tests.py, which one worker runs: UMAP alone takes a worker
    ten seconds to compile.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(map_folder)
        return map_folder / run_in_process("complete", single_class_classifiers=["knn", "dt"])


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Switch off the figures of runs, which take most of the time of a short run and have their own tests."""
    without_figures(monkeypatch)


@pytest.fixture
def no_curves(monkeypatch) -> None:
    """Have reports show a white square for each curve."""
    without_curves(monkeypatch)


@pytest.fixture
def one_figure(monkeypatch) -> None:
    """Runs with a single figure, beside all else that is written where figures are drawn."""
    with_some_figures(monkeypatch)
