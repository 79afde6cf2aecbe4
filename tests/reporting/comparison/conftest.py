"""The working folder of comparisons."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working folder, and a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def undrawn(folder, monkeypatch) -> Path:
    """The same, where the figure is made and not drawn, which takes longer than all else."""
    monkeypatch.setattr("reporting.comparison.writing.save_figure", lambda figure, path: None)
    return folder
