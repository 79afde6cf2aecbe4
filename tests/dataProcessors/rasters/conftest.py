"""A server of this machine and a map on it, for the tests of remote maps."""

from pathlib import Path

import pytest
from remote_for_tests import write_cog
from server_for_tests import FarFile, Server, running_server

from dataProcessors.rasters import map_file


@pytest.fixture(scope="session")
def server():
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def cog(tmp_path_factory) -> Path:
    """A COG of noise, which does not compress."""
    return write_cog(tmp_path_factory.mktemp("cog") / "map.tif")


@pytest.fixture(scope="session")
def declaring(tmp_path_factory) -> Path:
    """A COG that declares a nodata value."""
    return write_cog(tmp_path_factory.mktemp("declaring") / "map.tif", nodata=0)


@pytest.fixture
def far(server: Server, cog: Path) -> FarFile:
    return server.put(cog.read_bytes())


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The pauses that were made; they take no time."""
    made: list[float] = []
    monkeypatch.setattr(map_file.time, "sleep", made.append)
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.001")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "2")
    return made
