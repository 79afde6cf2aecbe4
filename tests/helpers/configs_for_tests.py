"""The smallest config, configs with maps of one's own, and what is said of a wrong one."""

from pathlib import Path

import pytest

from config import ConfigError, validate

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = {"network": "resnext50", "loss": "tripletloss", "validation_map": "osm"}


def written(tmp_path, text):
    path = tmp_path / "my.json"
    path.write_text(text, encoding="utf8")
    return path


def message(content):
    with pytest.raises(ConfigError) as caught:
        validate(content)
    return str(caught.value)


def own_maps(**changes):
    return MINIMAL | {"maps": {"image": "a.tif", "labels": {"osm": "b.tif"}} | changes}
