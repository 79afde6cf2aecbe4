"""Hand-made folders of runs that reports are made of."""

import json

import numpy as np
import pytest
from PIL import Image
from runs_for_tests import small_config
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

import config as configuration
from evaluation.scores import Evaluation, Score
from reporting.draws_csv import DrawsFile
from reporting.metrics_csv import MetricsFile

STARTED = 1_700_000_000  # seconds since 1970
MAPS = {
    "image": {"path": "image.tif", "crs": "EPSG:32632", "window": [0, 0, 384, 384], "synthetic": False},
    "fields": {"path": "labels.tif", "crs": "EPSG:3035", "window": [0, 0, 384, 384], "synthetic": False},
}
TRAINED = {0: (0.5, 0.9), 50: (0.8, 0.4), 100: (0.7, 0.5)}  # step -> accuracy and MAP@R, and summed error
undrawn = pytest.mark.usefixtures("no_curves")


def scores_of(features, value, error):
    return [
        Score(features, "single_class", "knn", "accuracy", value, 0.011),
        Score(features, "single_class", "-", "MAP@R", value, 0.02),
        Score(features, "single_class", "-", "MAP@R_chance", 0.125, 0.0),
        Score(features, "single_class", "-", "silhouette", float("nan"), float("nan")),
        Score(features, "multi_class", "knn", "sum_error", error, 0.03),
    ]


def make_run(folder, **changes):
    """Write a run of 100 steps with config, run.json and metrics.csv, without events and figures."""
    folder.mkdir(parents=True)
    content = small_config(maps={"image": "image.tif", "labels": {"fields": "labels.tif"}}, iterations=50, epochs=2)
    (folder / "config.json").write_text(configuration.validate(content | changes).to_json())
    about = {
        "started": "2023-11-14 22:13:20 +0000",
        "command": ["main.py", "x y"],
        "machine": "a machine",
        "maps": MAPS,
    }
    (folder / "run.json").write_text(json.dumps(about | {"python": "3.11.7", "packages": {"torch": "2.12.1"}}))
    metrics = MetricsFile(folder / "metrics.csv")
    for step, (value, error) in TRAINED.items():
        metrics.append(step, scores_of("trained", value, error))
    metrics.append(0, scores_of("untrained", 0.5, 0.9) + scores_of("band_statistics", 0.6, 0.3))
    return folder


def write_events(folder, values, name="1", big=b""):
    """Write events, one step a second; values: tag -> value of each step from 1 on. Return the path of the file."""
    events = folder / "tensorboard" / "trained"
    events.mkdir(parents=True, exist_ok=True)
    path = events / f"events.out.tfevents.{name}"
    with path.open("ab") as file:
        writer = RecordWriter(file)
        for tag, of_steps in values.items():
            for step, value in enumerate(of_steps, 1):
                event = Event(step=step, wall_time=STARTED + 10 + step)
                event.summary.value.add(tag=f"train/{tag}", simple_value=value)
                writer.write(event.SerializeToString())
            picture = Event(step=1)
            picture.summary.value.add(tag="train/picture").image.encoded_image_string = big
            writer.write(picture.SerializeToString())
    return path


def add_figures(folder, names, which="best", shape=(60, 80)):
    rng = np.random.default_rng(0)
    (folder / "figures" / which).mkdir(parents=True, exist_ok=True)
    for name in names:
        pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "figures" / which / f"{name}.png", compress_level=1)


def add_draws(folder, step, features, value):
    evaluation = Evaluation(features, [], {}, {}, np.zeros((0, 1)), by_draw={"retrieval/MAP@R": [value, value, value]})
    DrawsFile(folder / "draws.csv").append(step, [evaluation])
