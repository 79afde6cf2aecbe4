"""What lies in a run's folder, as far as it can be read, also while the run is still being made."""

import csv
import io
import json
import os
import struct
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event

import config as configuration
from config import Config, UserError
from evaluation.scoring import Score, objective
from reporting.columns import COLUMNS, chance_apart
from reporting.metrics_csv import HEADER

GROUP = "train/"  # begins the tags of what is logged of a step
GROUP_BYTES = GROUP.encode()
MAX_EVENT = 4096  # bytes; an event of numbers takes under a hundred, those of pictures are passed over
MAX_QUERIES = 8
NETWORKS = {"best": "best network", "last": "last network"}  # folder under figures/ -> whose pictures lie there

Row = tuple[str, str, str]  # task, metric and model of a score


class Curve(NamedTuple):
    """What was logged of each step: steps (n,) int64, rising; values (n,); times (n,), seconds since 1970."""

    steps: np.ndarray
    values: np.ndarray
    times: np.ndarray


class Query(NamedTuple):
    """A tile whose neighbours are shown: row on the picture, class, longitude and latitude, an address or ""."""

    row: int
    name: str
    lon: str
    lat: str
    address: str


@dataclass(frozen=True)
class Run:
    """A run as its folder tells of it; whatever is missing or unfinished there is left out.

    Attributes:
        folder: results/NAME
        config: resolved
        about: run.json
        scores: step -> scores, chance as a feature set of its own; steps rising
        curves: name without "train/" -> curve
        queries: tiles whose neighbours are shown
    """

    folder: Path
    config: Config
    about: dict
    scores: dict[int, list[Score]]
    curves: dict[str, Curve]
    queries: list[Query]

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.folder.resolve().name

    @property
    def all_steps(self) -> int:
        """Steps of the whole run."""
        return self.config.epochs * self.config.iterations

    @property
    def step(self) -> int:
        """The last step that something is known of, 0 if nothing is."""
        logged = [int(curve.steps[-1]) for curve in self.curves.values()]
        return max([0, *logged, *self.scores])

    @cached_property
    def trained(self) -> dict[int, dict[Row, Score]]:
        """Step -> scores of the trained network."""
        chosen = {step: _of_features(scores, "trained") for step, scores in self.scores.items()}
        return {step: rows for step, rows in chosen.items() if rows}

    @cached_property
    def baselines(self) -> dict[str, dict[Row, Score]]:
        """Features that are not trained -> scores, in the order they are shown in; they are scored once."""
        scores = [score for for_step in self.scores.values() for score in for_step]
        known = [*COLUMNS, *(score.features for score in scores)]
        names = [name for name in dict.fromkeys(known) if name != "trained"]
        return {name: rows for name in names if (rows := _of_features(scores, name))}

    @property
    def last_step(self) -> int | None:
        """The last step that was evaluated."""
        return max(self.trained, default=None)

    @cached_property
    def best_step(self) -> int | None:
        """The step whose network is kept as the best: the first of those with the best `best_metric`."""
        return max(
            self.trained, key=lambda step: objective(self.trained[step].values(), self.config.best_metric), default=None
        )


def read_run(folder: Path) -> Run:
    """All that is known of a run.

    Raises:
        UserError: the folder does not exist, holds no run, or its config cannot be read
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder. Name the folder of a run, results/NAME.")
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: this is no run, for it holds no config.json. Name the folder of one, results/NAME.")
    try:
        config = configuration.load(folder / "config.json")
    except UserError as error:
        first = str(error).splitlines()[0]
        raise UserError(f"{first} Put the config.json back that the run was made with.") from None
    return Run(
        folder,
        config,
        _read_about(folder / "run.json"),
        read_scores(folder / "metrics.csv"),
        read_curves(folder / "tensorboard" / "trained"),
        read_queries(folder / "figures" / "best" / "tiles.csv"),
    )


def read_scores(path: Path) -> dict[int, list[Score]]:
    """Step -> scores of metrics.csv, with chance as a feature set of its own.

    A line that is still being written is left out, even where it has all its commas already.
    """
    scores: dict[int, list[Score]] = {}
    for row in csv.reader(io.StringIO(_whole_lines(path))):
        with suppress(ValueError):  # the header, or a line that broke off where another process went on
            step, *names, mean, std = row
            if len(row) == len(HEADER):
                scores.setdefault(int(step), []).append(Score(*names, float(mean), float(std)))
    return {step: chance_apart(scores[step]) for step in sorted(scores)}


def read_queries(path: Path) -> list[Query]:
    """The tiles of tiles.csv whose neighbours are shown, in the order of the rows of the picture."""
    found = {}
    for row in csv.DictReader(io.StringIO(_whole_lines(path))):
        number = row.get("query") or ""
        if number.isdecimal() and 1 <= int(number) <= MAX_QUERIES:
            told = (row.get(key) or "" for key in ("class", "lon", "lat", "address"))
            found[int(number)] = Query(int(number), *told)
    return [found[number] for number in sorted(found)]


def read_curves(folder: Path) -> dict[str, Curve]:
    """Name -> curve of the numbers that were logged of each step.

    TensorBoard's own EventAccumulator takes five times as long, half a minute for 250,000 steps, and keeps an arbitrary
    sample of them. Where a step was logged twice, by a run that was broken off and gone on with, the later one counts.
    """
    numbers: dict[str, array] = defaultdict(lambda: array("d"))  # step, value and time by turns
    for path in sorted(folder.glob("events.out.tfevents.*")):
        with suppress(OSError):
            for record in _records(path):
                _note_values(record, numbers)
    return {tag.removeprefix(GROUP): _curve(found) for tag, found in numbers.items()}


def _note_values(record: bytes, numbers: dict[str, array]) -> None:
    if GROUP_BYTES not in record:
        return
    try:
        event = Event.FromString(record)
    except DecodeError:
        return
    for value in event.summary.value:
        tag = value.tag
        if tag.startswith(GROUP) and value.HasField("simple_value"):
            numbers[tag].extend((event.step, value.simple_value, event.wall_time))


def _records(path: Path) -> Iterator[bytes]:
    """The records of an event file that may hold numbers, up to its end or to one that is not all there."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(12)) == 12:  # the length and its checksum
            (length,) = struct.unpack_from("<Q", head)
            if length > size:
                return
            if length > MAX_EVENT:
                file.seek(length + 4, os.SEEK_CUR)
                continue
            record = file.read(length + 4)  # with its checksum
            if len(record) < length + 4:
                return
            yield record[:-4]


def _curve(numbers: array) -> Curve:
    steps, values, times = np.array(numbers).reshape(-1, 3).T
    order = np.argsort(steps, kind="stable")
    last_of_step = np.append(np.diff(steps[order]) > 0, True)
    kept = order[last_of_step]
    return Curve(steps[kept].astype(np.int64), values[kept], times[kept])


def _whole_lines(path: Path) -> str:
    """The text of a file up to its last line end; "" if there is no such file."""
    try:
        text = path.read_text(encoding="utf8", errors="replace")
    except OSError:
        return ""
    return text[: text.rfind("\n") + 1].replace("\0", "")


def _read_about(path: Path) -> dict:
    try:
        about = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):  # removed or edited
        return {}
    return about if isinstance(about, dict) else {}


def _of_features(scores: list[Score], features: str) -> dict[Row, Score]:
    return {(score.task, score.metric, score.model): score for score in scores if score.features == features}
