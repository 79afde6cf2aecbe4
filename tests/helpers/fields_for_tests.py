"""The map of fields in a folder of its own, changed in many ways, and runs on it that are refused."""

import logging
from pathlib import Path

import numpy as np
from affine import Affine
from maps_for_tests import noise, patches, write_map
from runs_for_tests import MAPS, SIDE, small_config

import main
from config import validate

HERE = Affine(10, 0, 500_000, 0, -10, 5_500_000)  # where the map of fields lies
ROTATED = HERE @ Affine.rotation(25)
SOUTH_UP = HERE @ Affine.translation(0, SIDE) @ Affine.scale(1, -1)
TILED = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
CODES = np.arange(1, 9, dtype="uint8")


def put_image(pixels=None, name="image.tif", place=HERE, **options) -> Path:
    return write_map(Path(name), noise((3, SIDE, SIDE)) if pixels is None else pixels, place=place, **options)


def put_labels(pixels=None, name="labels.tif", place=HERE, **options) -> Path:
    codes = patches(SIDE, SIDE, CODES, 24)[None]
    return write_map(Path(name), codes if pixels is None else pixels, place=place, **options)


def config_of(**changes):
    return validate(small_config(**{"maps": MAPS} | changes))


def of_maps(**changes):
    return config_of(maps=MAPS | changes)


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def assert_refused(capsys, arguments, path, *told) -> None:
    """The command line ends with code 2 after one line that names the path, and nothing of the run or map is left."""
    assert main.main(["config.json", *arguments]) == 2
    message = capsys.readouterr().err.strip()
    assert "\n" not in message and len(message) < 900, message
    assert all(part in message for part in (path, *told)), message
    assert not list(Path("results").glob("*"))
    left = [entry.name for entry in Path("data").rglob("*") if entry.name != "cache"]
    assert not [name for name in left if ".part-" in name or (path and name.startswith(f"{Path(path).stem}-"))], left
