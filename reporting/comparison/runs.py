"""Read the runs that are compared from their folders."""

import csv
import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import config as configuration
from config import NO_EFFECT_ON_RESULTS, Config, ConfigError, UserError
from config.messages import one_line
from evaluation.scores import Score
from reporting.feature_sets import TRAINED, separate_chance
from reporting.metrics_csv import HEADER, read_scores
from reporting.verdict_file import read_verdict
from training.runs.folder import RESULTS

log = logging.getLogger(__name__)

Scores = dict[str, Score]  # tag -> score


class NoScoresError(UserError):
    """Raised for a run that has not been evaluated yet."""


@dataclass(frozen=True)
class ComparedRun:
    """A run in a comparison.

    Attributes:
        name: of its folder; in a comparison, the whole path if several folders have the same name
        settings: config key -> value, without keys that have no effect on scores; nested keys with dots
        step: of the last evaluation
        total_steps: of the whole run, from its config
        scores: features (those of `Score`, and "chance") -> their latest scores
        verdict: what the end of the run, or its report, said of the network; "" if there is none
    """

    name: str
    settings: dict[str, Any]
    step: int
    total_steps: int
    scores: dict[str, Scores]
    verdict: str = ""


def read_runs(folders: list[Path]) -> list[ComparedRun]:
    """Read the runs in folders, in this order; without folders, all runs in results/ that have scores, by name.

    Files are ignored, because results/* includes some. A given run without scores is skipped with a warning.

    Raises:
        UserError: a folder does not exist or holds no run, a file is damaged, or no run has scores
    """
    named_folders = list({folder.resolve(): folder for folder in folders if not folder.is_file()}.values())
    runs: dict[Path, ComparedRun] = {}
    skipped: list[UserError] = []
    for folder in named_folders or ([] if folders else _runs_with_scores()):
        try:
            runs[folder] = read_run(folder)
        except NoScoresError as error:
            skipped += [error] if folders else []
        except UserError as error:
            if folders:
                raise
            skipped.append(error)
    if not runs:
        raise skipped[0] if skipped else UserError(_no_runs_message(folders))
    for reason in skipped:
        log.warning("Skipped: %s", reason)
    return [replace(run, name=name) for name, run in zip(_unique_names(list(runs)), runs.values())]


def _runs_with_scores() -> list[Path]:
    paths = [path.parent for path in RESULTS.glob("*/metrics.csv") if (path.parent / "config.json").is_file()]
    return sorted(paths, key=lambda path: _natural_order(path.name))


def _natural_order(name: str) -> list[str | int]:
    """Return a sort key that puts run-2 before run-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _no_runs_message(folders: list[Path]) -> str:
    problem = f"{folders[0]} is no folder of a run" if folders else f"{RESULTS}: there is no run with scores here yet"
    return f"{problem}. Train one with: python main.py, or give folders of runs."


def _unique_names(folders: list[Path]) -> list[str]:
    names = [folder.resolve().name for folder in folders]
    return [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, folders)]


def read_run(folder: Path) -> ComparedRun:
    """Read the run in a folder.

    Raises:
        NoScoresError: the run has not been evaluated yet
        UserError: the folder holds no run, or its config.json or metrics.csv is damaged
    """
    if not folder.is_dir() or not (folder / "config.json").is_file():
        what = "there is no run here: config.json is missing" if folder.is_dir() else "there is no such folder"
        there = ", ".join(map(str, _runs_with_scores())) or "none yet"
        raise UserError(f"{folder}: {what}. Runs with scores in {RESULTS}: {there}.")
    config = _config(folder / "config.json")
    evaluations = _evaluations(folder / "metrics.csv")
    count = {step: sum(score.features == TRAINED for score in scores) for step, scores in evaluations.items()}
    most = max(count.values(), default=0)
    if not most:
        raise NoScoresError(f"{folder}: the run has no scores yet. Wait for its first evaluation, or leave it out.")
    # an evaluation with fewer scores is still being written, or was interrupted
    step = max(step for step in count if count[step] == most)
    rows = [score for each, for_step in sorted(evaluations.items()) if each <= step for score in for_step]
    return ComparedRun(
        folder.resolve().name, settings_of(config), step, config.epochs * config.iterations, _by_features(rows),
        read_verdict(folder),
    )  # fmt: skip


def _config(path: Path) -> Config:
    try:
        return configuration.load(path)
    except ConfigError as error:
        first, *others = str(error).splitlines()
        more = f" ({len(others)} more problems)" if others else ""
        raise UserError(f"{first}{more} Correct this file, or leave the run out.") from None


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
            f"{path}: cannot be read as scores: {one_line(str(error))}. Correct or remove the line, or leave the "
            "run out."
        ) from None


def _by_features(scores: list[Score]) -> dict[str, Scores]:
    """Return features -> tag -> latest score, with the values at chance as features of their own."""
    last = {score[:4]: score for score in scores}
    by_features: dict[str, Scores] = {}
    for score in separate_chance(last.values()):
        by_features.setdefault(score.features, {})[score.tag] = score
    return by_features


def settings_of(config: Config) -> dict[str, Any]:
    """Return config key -> value, without keys that have no effect on scores; nested keys with dots."""
    settings = config.model_dump(exclude=set(NO_EFFECT_ON_RESULTS))
    if isinstance(settings["maps"], dict):
        nested = settings["maps"]
        settings["maps"] = nested.pop("image")
        settings |= {f"maps.{key}": value for key, value in nested.items()}
    return settings
