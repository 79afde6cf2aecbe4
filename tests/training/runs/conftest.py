"""The runs that the tests of resuming share; all of them are in one group of groups_for_tests.py."""

import shutil
from pathlib import Path

import pytest
from interruptions_for_tests import LONG, interrupted_run
from runs_for_tests import run_in_process, without_figures


@pytest.fixture(scope="session")
def as_broken_off(map_folder) -> Path:
    """What `broken` is a copy of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(map_folder)
        without_figures(patch)
        return map_folder / interrupted_run(patch, "broken", 6, **LONG).rename("broken-off")


@pytest.fixture
def broken(as_broken_off, workplace, no_figures) -> Path:
    """A run that was interrupted after its sixth step of eight."""
    shutil.rmtree("results/broken", ignore_errors=True)
    return shutil.copytree(as_broken_off, Path("results/broken"))


@pytest.fixture(scope="session")
def reference(map_folder) -> Path:
    """The same run, as it is when nothing breaks it off."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(map_folder)
        without_figures(patch)
        return map_folder / run_in_process("reference", **LONG)
