"""Read the files of a run for its report; they may be incomplete or damaged, and the run may still be going on."""

import csv
import io
import json
import math
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import config as configuration
from config import Config, UserError
from evaluation.scores import Score, objective
from reporting.draws_csv import DRAWS_NAME, Draws, read_draws
from reporting.feature_sets import TRAINED, in_order, separate_chance
from reporting.metrics_csv import HEADER, score_of_row
from reporting.tensorboard.logged_curves import Curve, read_curves

MAX_QUERIES = 8
NETWORKS = {"best": "best network", "last": "last network"}  # folder in figures/ -> name of the network

ScoreKey = tuple[str, str, str]  # task, metric and model of a score


class Query(NamedTuple):
    """A tile whose neighbours are shown: row of the picture, class, longitude, latitude, a link or ""."""

    row: int
    name: str
    lon: str
    lat: str
    address: str


@dataclass(frozen=True)
class RunFiles:
    """The content of a run's folder, without files or lines that are missing or incomplete.

    Attributes:
        folder: results/NAME
        config: the resolved config
        info: the content of run.json
        scores: step -> scores, with chance as a feature set of its own; steps rising
        draws: step -> values of the scores in each draw
        curves: tag without "train/" -> curve
        queries: tiles whose neighbours are shown
    """

    folder: Path
    config: Config
    info: dict
    scores: dict[int, list[Score]]
    draws: dict[int, Draws]
    curves: dict[str, Curve]
    queries: list[Query]

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @property
    def total_steps(self) -> int:
        """Number of steps of the whole run."""
        return self.config.epochs * self.config.iterations

    @property
    def step(self) -> int:
        """The last step that was logged or scored, 0 if there is none."""
        logged = [int(curve.steps[-1]) for curve in self.curves.values()]
        return max([0, *logged, *self.scores])

    @cached_property
    def trained(self) -> dict[int, dict[ScoreKey, Score]]:
        """Step -> scores of the trained network at this step."""
        chosen = {step: _scores_of_features(scores, TRAINED) for step, scores in self.scores.items()}
        return {step: rows for step, rows in chosen.items() if rows}

    @cached_property
    def yardsticks(self) -> dict[str, dict[ScoreKey, Score]]:
        """Other features -> scores, in the order in which they are shown; yardsticks are scored only once."""
        scores = [score for for_step in self.scores.values() for score in for_step]
        names = in_order(score.features for score in scores)
        return {name: _scores_of_features(scores, name) for name in names if name != TRAINED}

    @property
    def last_step(self) -> int | None:
        """The last evaluated step, None if there is none."""
        return max(self.trained, default=None)

    @cached_property
    def best_step(self) -> int | None:
        """The step of the best network: the first with the best value of `best_metric`; the last if none has a value.

        None if there is no evaluation.
        """
        values = {step: objective(scores.values(), self.config.best_score) for step, scores in self.trained.items()}
        if all(value == -math.inf for value in values.values()):
            return self.last_step
        return max(values, key=values.__getitem__)


def read_run(folder: Path) -> RunFiles:
    """Read everything that the report needs from a run's folder.

    Raises:
        UserError: the folder does not exist, holds no run, or its config cannot be read
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder. Give the folder of a run, results/NAME.")
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: this is not a run: it has no config.json. Give the folder of a run, results/NAME.")
    try:
        config = configuration.load(folder / "config.json")
    except UserError as error:
        first = str(error).splitlines()[0]
        raise UserError(f"{first} Restore the config.json that the run was started with.") from None
    return RunFiles(
        folder,
        config,
        _read_run_info(folder / "run.json"),
        read_scores(folder / "metrics.csv"),
        read_draws(folder / DRAWS_NAME),
        read_curves(folder / "tensorboard" / "trained"),
        read_queries(folder / "figures" / "best" / "tiles.csv"),
    )


def read_scores(path: Path) -> dict[int, list[Score]]:
    """Read metrics.csv: step -> scores, with chance as a feature set of its own.

    A line that is still being written is skipped, even if all its commas are there already.
    """
    scores: dict[int, list[Score]] = {}
    for row in csv.reader(io.StringIO(_complete_lines(path))):
        with suppress(ValueError):  # the header, or an incomplete line of a killed process
            step, *texts = row
            if len(row) == len(HEADER):
                scores.setdefault(int(step), []).append(score_of_row(texts))
    return {step: separate_chance(scores[step]) for step in sorted(scores)}


def read_queries(path: Path) -> list[Query]:
    """Read from tiles.csv the tiles whose neighbours are shown, in the order of the rows of the picture."""
    queries = {}
    for row in csv.DictReader(io.StringIO(_complete_lines(path))):
        number = row.get("query") or ""
        if number.isdecimal() and 1 <= int(number) <= MAX_QUERIES:
            fields = (row.get(key) or "" for key in ("class", "lon", "lat", "address"))
            queries[int(number)] = Query(int(number), *fields)
    return [queries[number] for number in sorted(queries)]


def _complete_lines(path: Path) -> str:
    """Return the text of a file up to its last line end, "" if there is no such file."""
    try:
        text = path.read_text(encoding="utf8", errors="replace")
    except OSError:
        return ""
    return text[: text.rfind("\n") + 1].replace("\0", "")


def _read_run_info(path: Path) -> dict:
    try:
        info = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):  # removed or edited
        return {}
    return info if isinstance(info, dict) else {}


def _scores_of_features(scores: list[Score], features: str) -> dict[ScoreKey, Score]:
    return {(score.task, score.metric, score.model): score for score in scores if score.features == features}
