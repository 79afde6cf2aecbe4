"""A demo map that the tests in the group "demo" of groups_for_tests.py share."""

import pytest

from dataProcessors.demo import make_demo


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("demo"), size=640, seed=3)
