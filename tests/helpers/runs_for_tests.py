"""A small map of fields, configs for it, runs on it, and readers of their results."""

import csv
import io
import itertools
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main

ROOT = Path(__file__).resolve().parents[2]
SIDE, FIELD = 384, 48  # pixels: of the map; of its square fields
FIELDS = ((90, 60), (140, 40), (60, 25), (120, 90))  # brightness and texture of four classes
MAPS = {"image": "image.tif", "labels": {"fields": "labels.tif"}}
UNLABELLED = {  # changes of `small_config` for a run without a label map
    "maps": {"image": "image.tif"}, "validation_map": None, "single_class_classifiers": [],
    "multi_class_classifiers": [],
}  # fmt: skip


@cache
def fields(bands: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels (bands, SIDE, SIDE) uint8 of the fields, and their classes (SIDE, SIDE)."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, len(FIELDS), (SIDE // FIELD, SIDE // FIELD))
    classes = kinds.repeat(FIELD, 0).repeat(FIELD, 1)
    brightness, texture = np.array(FIELDS).T
    pixels = brightness[classes] + texture[classes] * rng.standard_normal((bands, SIDE, SIDE)) / 3
    return pixels.clip(1, 255).astype(np.uint8), classes


def write_fields(folder: Path, bands: int = 3) -> dict:
    """Write an image of square fields of four classes, and a label map of codes at half the resolution.

    Return the value of the config key `maps`.
    """
    pixels, classes = fields(bands)
    profile = {"driver": "GTiff", "crs": "EPSG:32632", "width": SIDE, "height": SIDE}
    with rasterio.open(
        folder / "image.tif", "w", count=bands, dtype="uint8", transform=from_origin(5e5, 5.5e6, 10, 10), **profile
    ) as file:
        file.write(pixels)
    profile |= {"width": SIDE // 2, "height": SIDE // 2}
    with rasterio.open(
        folder / "labels.tif", "w", count=1, dtype="uint8", transform=from_origin(5e5, 5.5e6, 20, 20), **profile
    ) as file:
        file.write((classes[::2, ::2] + 1).astype(np.uint8), 1)
    return MAPS


def without_waiting_for_disks() -> None:
    """Have this process leave to the system when files come onto the disk.

    That matters where the power fails, which happens in no test; those of what is synced, and when, watch the calls.
    """
    os.fsync = os.fstat  # it knows a descriptor that is none


def without_figures(patch: pytest.MonkeyPatch) -> None:
    """Have runs draw nothing: no figures, and a white square for each curve of the report."""
    patch.setattr("reporting.reporter.Reporter.log_figures", lambda *arguments: None)
    without_curves(patch)


def without_curves(patch: pytest.MonkeyPatch) -> None:
    """Have reports show a white square for each curve: matplotlib takes a third of the time of a short run."""
    for name in ("score_curve", "step_curves"):
        patch.setattr(f"reporting.report.curves.{name}", lambda *arguments: None)
    patch.setattr("reporting.report.curves.figure_to_png", lambda figure: white_square())


def with_some_figures(patch: pytest.MonkeyPatch, number: int = 1) -> None:
    """Have runs draw the first of their figures alone, the UMAP never, and write all that comes with figures."""
    from reporting.network_figures import network_figures

    patch.setattr(
        "reporting.reporter.network_figures",
        lambda *arguments: itertools.islice(network_figures(*arguments), number),
    )
    without_curves(patch)


def white_square() -> bytes:
    """A small PNG file."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(file, "PNG")
    return file.getvalue()


def small_config(**changes) -> dict:
    return {
        "network": "test_resnet", "loss": "tripletloss", "image_size": 16, "batch_size": 4, "magnet_clusters": 3,
        "validation_nb": 60, "validation_map": "fields", "valIteration": 2, "min_pos_dist": 0.5, "max_pos_dist": 2,
        "min_neg_dist": 4, "max_neg_dist": 10, "epochs": 1, "iterations": 2, "precision": "fp32",
        "channels_last": False, "device": "cpu", "threads": 1,
        "single_class_classifiers": ["knn"], "multi_class_classifiers": ["knn"], "name": "run",
    } | changes  # fmt: skip


def config_file(name: str, **changes) -> Path:
    """Write a config file for a run of this name on the maps in the working folder; return its path."""
    path = Path(f"{name}.json")
    path.write_text(json.dumps(small_config(**{"name": name, "maps": MAPS} | changes)))
    return path


def run_in_process(name: str, **changes) -> Path:
    """Train as `python main.py` does; return the run's folder."""
    before = set(Path("results").glob("*"))
    assert main.main([str(config_file(name, **changes))]) == 0
    (folder,) = set(Path("results").glob("*")) - before
    return folder


def refused(capsys, name: str, **changes) -> str:
    """Try to train as `python main.py` does with a wrong config; return the error message."""
    capsys.readouterr()
    assert main.main([str(config_file(name, **changes))]) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def main_py(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Call main.py in a new process, as a user does."""
    return subprocess.run(
        [sys.executable, ROOT / "main.py", *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )


def rows_of(folder: Path) -> list[dict]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def values_of(folder: Path, tag: str) -> list[tuple[int, float]]:
    """Return (step, value) of a curve, sorted by step, with repeated steps.

    Sorted, because files that one process starts within one second are read in the order of their names, 102 before 98.
    """
    events = EventAccumulator(
        str(folder / "tensorboard" / "trained"), size_guidance={"scalars": 0}, purge_orphaned_data=False
    ).Reload()
    values = [(event.step, event.value) for event in events.Scalars(tag)]
    return sorted(values, key=lambda value: value[0])


def losses_of(folder: Path) -> list[float]:
    return [value for _, value in values_of(folder, "train/loss")]
