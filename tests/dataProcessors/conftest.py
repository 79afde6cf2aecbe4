"""A map of fields for the tests that change or damage it."""

import json
from pathlib import Path

import pytest
from runs_for_tests import MAPS, small_config, write_fields


@pytest.fixture
def fields(tmp_path, monkeypatch):
    """The map of fields and a config for it, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    write_fields(tmp_path)
    Path("config.json").write_text(json.dumps(small_config(maps=MAPS)))
