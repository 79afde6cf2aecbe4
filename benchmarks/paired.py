"""Feature sets on equal draws of equal tiles: comparisons with yardsticks, and their tables."""

from collections.abc import Iterable
from math import nan
from typing import NamedTuple

import numpy as np

from evaluation.differences import COMPARED_METRICS, Difference, less_is_better, metric_of, paired_difference
from reporting.comparison.rows import header_words
from reporting.tables import Cell, Table

Scores = dict[str, np.ndarray]  # tag -> value in each draw of each seed, (seeds, draws), NaN: undefined


class Comparison(NamedTuple):
    """One feature set against another in one score."""

    features: str
    other: str
    tag: str
    found: Difference

    @property
    def ratio(self) -> float:
        """The mean over that of the others, of an error; else NaN."""
        return self.found.ours / self.found.theirs if less_is_better(self.tag) and self.found.theirs else nan


def figures(scores: Scores) -> list[str]:
    """Return the tags of the scores that are compared, in the order of COMPARED_METRICS."""
    return [tag for name in COMPARED_METRICS for tag in scores if metric_of(tag) == name]


def comparisons(trained: dict[str, Scores], yardsticks: dict[str, Scores]) -> list[Comparison]:
    """Compare every trained feature set with every yardstick in every figure that both have in any draw."""
    found = [
        Comparison(name, other, tag, paired_difference(tag, scores[tag], yardstick[tag]))
        for name, scores in trained.items()
        for tag in figures(scores)
        for other, yardstick in yardsticks.items()
        if tag in yardstick
    ]
    return [each for each in found if each.found.pairs]


def against_the_best(compared: Iterable[Comparison]) -> list[Comparison]:
    """Return, for each feature set and figure, the comparison with the yardstick that has the best mean."""
    best: dict[tuple[str, str], Comparison] = {}
    for each in compared:
        key, sign = (each.features, each.tag), -1 if less_is_better(each.tag) else 1
        if key not in best or sign * each.found.theirs > sign * best[key].found.theirs:
            best[key] = each
    return list(best.values())


def means_table(title: str, scores: dict[str, Scores]) -> Table:
    """Return the table of the means of all feature sets; the best of each column is marked."""
    tags = figures(next(iter(scores.values())))
    columns = [_means_column(tag, [float(np.nanmean(values[tag])) for values in scores.values()]) for tag in tags]
    return Table(title, [header_words(tag) for tag in tags], list(scores), columns, "features")


def _means_column(tag: str, means: list[float]) -> list[Cell]:
    best = (min if less_is_better(tag) else max)(means)
    return [Cell(f"{mean:.3f}", is_best=mean == best) for mean in means]


def targets_table(title: str, compared: Iterable[Comparison]) -> Table:
    """Return comparisons as a table, with a row for each."""
    headers = [["figure"], ["mean"], ["yardstick"], ["its mean"], ["difference"], ["verdict"], ["ratio"]]
    rows = [(each.features, _target_cells(each)) for each in compared]
    columns = [list(column) for column in zip(*(cells for _, cells in rows))]
    return Table(title, headers, [name for name, _ in rows], columns, "features")


def _target_cells(each: Comparison) -> list[Cell]:
    found = each.found
    ratio = f"{each.ratio:.2f}" if less_is_better(each.tag) else "-"
    texts = (" ".join(header_words(each.tag)), f"{found.ours:.3f}", each.other, f"{found.theirs:.3f}")
    difference = Cell(f"{found.mean:+.3f}", f" ±{found.error:.3f}")
    return [*map(Cell, texts), difference, Cell(found.verdict or "-"), Cell(ratio)]
