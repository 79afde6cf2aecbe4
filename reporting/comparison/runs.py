"""The runs that are compared: what is read of their folders."""

import csv
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import config as configuration
from config import NO_EFFECT_ON_RESULTS, Config, ConfigError, UserError
from config.messages import one_line
from evaluation.scoring import Score
from reporting.columns import chance_apart
from reporting.metrics_csv import HEADER, read_scores
from training.runs.folder import RESULTS

log = logging.getLogger(__name__)

Scores = dict[str, Score]  # by tag


class NoScores(UserError):
    """A run that has not been evaluated yet."""


@dataclass(frozen=True)
class Run:
    """What is compared of a run.

    Attributes:
        name: of its folder; the path of the folder where several have the same name
        settings: config key -> value, without those that have no effect; keys of nested maps with dots
        step: of the last evaluation
        steps: how many the run is to have
        scores: features (those of `Score`, and "chance") -> their scores in the last evaluation that has them
    """

    name: str
    settings: dict[str, Any]
    step: int
    steps: int
    scores: dict[str, Scores]


def read_runs(folders: list[Path]) -> list[Run]:
    """The runs in folders, in this order; with no folder, those of results/ that have scores, by name.

    Plain files are passed over (results/* names some), and so are named runs without scores, with a warning.

    Raises:
        UserError: a folder that does not exist or holds no run, a file that is damaged, or no run that has scores
    """
    named = list({folder.resolve(): folder for folder in folders if not folder.is_file()}.values())
    runs, left_out = {}, []
    for folder in named or ([] if folders else _found()):
        try:
            runs[folder] = read_run(folder)
        except NoScores as error:
            left_out += [error] if folders else []
        except UserError as error:
            if folders:
                raise
            left_out.append(error)
    if not runs:
        raise left_out[0] if left_out else UserError(_nothing(folders))
    for error in left_out:
        log.warning("Left out: %s", error)
    return [Run(name, *run) for name, run in zip(_names(list(runs)), runs.values())]


def _found() -> list[Path]:
    paths = [path.parent for path in RESULTS.glob("*/metrics.csv") if (path.parent / "config.json").is_file()]
    return sorted(paths, key=lambda path: _natural(path.name))


def _natural(name: str) -> list[str | int]:
    """By this, run-2 comes before run-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _nothing(folders: list[Path]) -> str:
    told = f"{folders[0]} is no run's folder" if folders else f"{RESULTS}: there is no run with scores here yet"
    return f"{told}. Train one with: python main.py, or name folders of runs."


def _names(folders: list[Path]) -> list[str]:
    names = [folder.resolve().name for folder in folders]
    return [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, folders)]


def read_run(folder: Path) -> tuple[dict[str, Any], int, int, dict[str, Scores]]:
    """Settings, step, steps and scores of the run in a folder, as `Run` has them.

    Raises:
        NoScores: it was not evaluated yet
        UserError: it is no run, or its config.json or metrics.csv is damaged
    """
    if not folder.is_dir() or not (folder / "config.json").is_file():
        what = "there is no run here, for it has no config.json" if folder.is_dir() else "there is no such folder"
        there = ", ".join(map(str, _found())) or "none yet"
        raise UserError(f"{folder}: {what}. Runs with scores in {RESULTS}: {there}.")
    config = _config(folder / "config.json")
    evaluations = _evaluations(folder / "metrics.csv")
    count = {step: sum(score.features == "trained" for score in scores) for step, scores in evaluations.items()}
    most = max(count.values(), default=0)
    if not most:
        raise NoScores(f"{folder}: the run has no scores yet. Wait for its first evaluation, or leave it out.")
    step = max(step for step in count if count[step] == most)  # one with fewer is being written, or was broken off
    scores = _by_features([score for at, found in sorted(evaluations.items()) if at <= step for score in found])
    return _settings(config), step, config.epochs * config.iterations, scores


def _config(path: Path) -> Config:
    try:
        return configuration.load(path)
    except ConfigError as error:
        first, *others = str(error).splitlines()
        more = f" ({len(others)} more problems)" if others else ""
        raise UserError(f"{first}{more} Mend this file, or leave the run out.") from None


def _evaluations(path: Path) -> dict[int, list[Score]]:
    try:
        if not path.exists():
            return {}
        with path.open(encoding="utf8") as file:
            header = file.readline().rstrip("\r\n")
        if not ",".join(HEADER).startswith(header):
            raise ValueError(f"it starts with '{header[:60]}' instead of '{','.join(HEADER)}'")
        return read_scores(path)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path}: cannot be read as scores: {one_line(str(error))}. Mend or remove the line, or leave the run out."
        ) from None


def _by_features(scores: list[Score]) -> dict[str, Scores]:
    """The last score of each name; values at chance become features of their own."""
    last = {score[:4]: score for score in scores}
    found: dict[str, Scores] = {}
    for score in chance_apart(last.values()):
        found.setdefault(score.features, {})[score.tag] = score
    return found


def _settings(config: Config) -> dict[str, Any]:
    settings = config.model_dump(exclude=set(NO_EFFECT_ON_RESULTS))
    if isinstance(settings["maps"], dict):
        nested = settings["maps"]
        settings["maps"] = nested.pop("image")
        settings |= {f"maps.{key}": value for key, value in nested.items()}
    return settings
