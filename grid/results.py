"""The scores of a grid: for each map its rows, which are configs and yardsticks, with the scores of all seeds."""

from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from statistics import fmean, stdev

from evaluation.differences import is_compared, less_is_better
from evaluation.scores import Score
from grid.plan import Cell, Plan
from grid.progress import minutes_of
from grid.state import is_scored
from reporting.comparison.rows import FeatureSet, abbreviate, score_tags, yardstick_sets
from reporting.comparison.runs import ComparedRun, read_run
from reporting.draws_csv import DRAWS_NAME, Draws, draws_at, read_draws
from reporting.feature_sets import TRAINED, feature_title, in_order, is_yardstick


@dataclass
class Row:
    """A row of the tables of one map: a config, or a yardstick, which is scored once for each seed.

    Attributes:
        label: of the row
        features: "trained", a yardstick, "chance" or the coarsened labels
        scores: tag -> seed -> score
        draws: tag -> seed -> value in each draw, where the run has kept them
        steps, minutes: of each run of a config; empty for yardsticks
    """

    label: str
    features: str
    scores: dict[str, dict[int, Score]] = field(default_factory=dict)
    draws: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)

    def add(self, seed: int, scores: dict[str, Score], draws: dict[str, list[float]]) -> None:
        """Add the scores of a seed, and their values in each draw."""
        for tag, score in scores.items():
            self.scores.setdefault(tag, {})[seed] = score
            if tag in draws:
                self.draws.setdefault(tag, {})[seed] = draws[tag]

    def values(self, tag: str) -> dict[int, float]:
        """Return seed -> mean over the draws, without seeds that have no finite value."""
        return {seed: score.mean for seed, score in self.scores.get(tag, {}).items() if isfinite(score.mean)}

    def mean(self, tag: str) -> float:
        """Return the mean over the seeds, NaN without any value."""
        values = self.values(tag).values()
        return fmean(values) if values else nan

    def spread(self, tag: str) -> float:
        """Return the (sample) standard deviation over the seeds, NaN for fewer than two."""
        values = self.values(tag).values()
        return stdev(values) if len(values) > 1 else nan


@dataclass(frozen=True)
class MapResults:
    """The results on one map.

    Attributes:
        name: of the map
        runs: complete runs with their cells
        rows: configs in the order of the grid, then yardsticks
        tags: of all scores
    """

    name: str
    runs: list[tuple[Cell, ComparedRun]]
    rows: list[Row]
    tags: list[str]

    def row(self, label: str) -> Row | None:
        """Return the config of this name, if it has a complete run."""
        return next((row for row in self.configs if row.label == label), None)

    @property
    def configs(self) -> list[Row]:
        """The rows of trained networks."""
        return [row for row in self.rows if row.features == TRAINED]

    @property
    def yardsticks(self) -> list[Row]:
        """The rows of what a trained network is to surpass."""
        return [row for row in self.rows if is_yardstick(row.features)]


def best_row(rows: list[Row], tag: str) -> Row | None:
    """Return the row with the best mean of a score; None if no row has this score."""
    pick = min if less_is_better(tag) else max
    return pick((row for row in rows if row.values(tag)), key=lambda row: row.mean(tag), default=None)


def read_results(plan: Plan) -> list[MapResults]:
    """Read the complete runs of a grid; maps without any are left out."""
    complete = [(cell, read_run(cell.folder)) for cell in plan.cells if cell.folder.exists() and is_scored(cell)]
    names = dict.fromkeys(cell.map_name for cell, _ in complete)
    return [_map_results(plan, name, [each for each in complete if each[0].map_name == name]) for name in names]


def _map_results(plan: Plan, name: str, runs: list[tuple[Cell, ComparedRun]]) -> MapResults:
    rows: dict[str, Row] = {}
    for cell, run in runs:
        row = rows.setdefault(cell.row, Row(cell.row, TRAINED))
        row.add(cell.seed, run.scores[TRAINED], _draws(cell.folder, run.step).get(TRAINED, {}))
        row.steps.append(run.step)
        row.minutes.append(minutes_of(plan.folder, cell))
    cell_of = {run.name: cell for cell, run in runs}
    only_runs = [run for _, run in runs]
    others = in_order(name for run in only_runs for name in run.scores if name != TRAINED)
    yardsticks = [row for features in others for row in _yardsticks(only_runs, features, cell_of)]
    return MapResults(name, runs, [*rows.values(), *yardsticks], score_tags(only_runs))


def _yardsticks(runs: list[ComparedRun], features: str, cell_of: dict[str, Cell]) -> list[Row]:
    """Return the rows of one yardstick: one if it is the same for all configs, as band statistics of one tile size.

    The untrained networks of two kinds of network are two rows. cell_of: name of a run -> its cell
    """
    groups = _alike(_sets_by_config(runs, features, cell_of))
    title = feature_title(features)
    rows = [Row(title if len(groups) == 1 else f"{title} ({abbreviate(names)})", features) for names, _ in groups]
    for row, (_, sets) in zip(rows, groups):
        for seed, feature_set in sorted(sets.items()):
            run = feature_set.runs[0]
            row.add(seed, feature_set.scores, _draws(cell_of[run.name].folder, run.step).get(features, {}))
    return rows


def _sets_by_config(
    runs: list[ComparedRun], features: str, cell_of: dict[str, Cell]
) -> dict[str, dict[int, FeatureSet]]:
    """Return name of a config -> seed -> the yardstick beside it, in the order of the grid."""
    sets: dict[str, dict[int, FeatureSet]] = {cell_of[run.name].row: {} for run in runs}
    for feature_set in yardstick_sets(runs, features):
        for cell in (cell_of[run.name] for run in feature_set.runs):
            sets[cell.row][cell.seed] = feature_set
    return sets


def _alike(sets: dict[str, dict[int, FeatureSet]]) -> list[tuple[list[str], dict[int, FeatureSet]]]:
    """Return the configs in groups, each with its sets by seed: those that share a set in each seed that both have.

    A seed alone does not make a group: there, two networks may score alike by chance.
    """
    groups: list[tuple[list[str], dict[int, FeatureSet]]] = []
    for name, own in sets.items():
        for names, theirs in groups:
            common = own.keys() & theirs.keys()
            if common and all(own[seed] is theirs[seed] for seed in common):
                names.append(name)
                theirs.update(own)
                break
        else:
            groups += [([name], dict(own))] if own else []
    return groups


def _draws(folder: Path, step: int) -> Draws:
    """Return the values of each draw at a step; {} where a run has kept none. folder: of the run."""
    return draws_at(read_draws(folder / DRAWS_NAME), step)


def shown_tags(plan: Plan, tags: list[str]) -> list[str]:
    """Return the tags of the scores that are shown to people, of those that there are."""
    if plan.file.figures is not None:
        return [tag for tag in plan.file.figures if tag in tags]
    return [tag for tag in tags if is_compared(tag)]
