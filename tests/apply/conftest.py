"""A map of fields and a run on it, which the tests of the verbs share; all are in one group of groups_for_tests.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from inference_for_tests import write_run
from runs_for_tests import MAPS, write_fields

import main
from inference.core.embedded_map import EmbeddedMap, open_embedded


@pytest.fixture(scope="session")
def fields_and_run(tmp_path_factory) -> Path:
    """A folder with the maps of fields, a run "net", and what the tests of the verbs make of it."""
    folder = tmp_path_factory.mktemp("a place")  # with a blank
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_fields(folder)
        write_run(MAPS)
    return folder


@pytest.fixture(scope="module")
def place(fields_and_run) -> Iterator[Path]:
    """The same as the working folder of all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(fields_and_run)
        yield fields_and_run


@pytest.fixture(scope="session")
def embedded_fields(fields_and_run) -> EmbeddedMap:
    """The map, as the run "net" embeds it; its folder is told from the working folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(fields_and_run)
        assert main.main(["embed", "results/net"]) == 0
        (folder,) = Path("results/net/embedded").glob("image-16px-*")
        return open_embedded(folder)


@pytest.fixture(scope="module")
def embedded(place, embedded_fields) -> EmbeddedMap:
    """The embedded map, in the working folder of all tests of a file."""
    return embedded_fields
