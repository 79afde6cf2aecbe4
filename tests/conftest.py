"""What tests of several rooms share."""

import pytest

from dataProcessors.labels import builtin_legends


@pytest.fixture(scope="session")
def legends():
    """The legends that come with the project: "osm" and "clc"."""
    return builtin_legends()
