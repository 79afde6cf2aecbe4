"""What tests of several rooms share."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs_for_tests import write_fields

from dataProcessors.legends.legend import builtin_legends
from training.execution.openmp import limit_spinning


def pytest_configure() -> None:
    """Threads wait as in runs of main.py. Ctrl-C is tested, which a shell has what it starts in background ignore."""
    limit_spinning()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
    """The folder in which runs are made; maps are prepared there once."""
    monkeypatch.chdir(map_folder)
    return map_folder


@pytest.fixture(scope="module")
def workplace_of_module(map_folder) -> Iterator[Path]:
    """The same for all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(map_folder)
        yield map_folder


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Runs without their figures, which take most of a short run's time and have tests of their own."""
    monkeypatch.setattr("reporting.reporter.Reporter.figures", lambda *arguments: None)
