"""Fixtures that tests of several packages use."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs_for_tests import write_fields

from dataProcessors.legends.legend import builtin_legends
from training.execution.openmp import limit_spinning


def pytest_configure() -> None:
    """Let threads wait as in runs of main.py, and let Ctrl-C work, which background processes of a shell ignore."""
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
    """The working folder of runs; its maps are prepared only once."""
    monkeypatch.chdir(map_folder)
    return map_folder


@pytest.fixture(scope="module")
def workplace_of_module(map_folder) -> Iterator[Path]:
    """The working folder of runs, for all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(map_folder)
        yield map_folder


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Switch off the figures of runs, which take most of the time of a short run and have their own tests."""
    monkeypatch.setattr("reporting.reporter.Reporter.log_figures", lambda *arguments: None)
