"""Paired differences between feature sets that are scored on equal draws of equal tiles, and their tables."""

from collections.abc import Iterable, Sequence
from math import isnan, sqrt
from typing import Literal, NamedTuple

import numpy as np

from config import LESS_IS_BETTER

METRICS = ("accuracy", "sum_error", "MAP@1", "MAP@10", "MAP@R")  # that embeddings are compared in
BEYOND = 2.0  # a mean difference beyond so many standard errors counts

Scores = dict[str, np.ndarray]  # tag -> value in each draw of each seed, (draws,), NaN: undefined
Verdict = Literal["better", "worse", ""]


class Comparison(NamedTuple):
    """One feature set against another in one score: `difference` is its mean over draws less that of the other."""

    features: str
    other: str
    tag: str
    mean: float
    other_mean: float
    difference: float
    standard_error: float  # of the difference; NaN: fewer than two draws
    draws: int

    @property
    def verdict(self) -> Verdict:
        """Whether the features are better or worse than the others; "": neither beyond two standard errors."""
        gain = -self.difference if less_is_better(self.tag) else self.difference
        if isnan(self.standard_error) or abs(gain) <= BEYOND * self.standard_error:
            return ""
        return "better" if gain > 0 else "worse"

    @property
    def ratio(self) -> float:
        """The mean over that of the others, of an error; else NaN."""
        return self.mean / self.other_mean if less_is_better(self.tag) and self.other_mean else float("nan")


def metric(tag: str) -> str:
    """Return the metric in a score's tag, group/metric or group/metric/model."""
    return tag.split("/")[1]


def less_is_better(tag: str) -> bool:
    """Whether the score with this tag is an error."""
    return metric(tag) in LESS_IS_BETTER


def figures(scores: Scores) -> list[str]:
    """Return the tags of the scores that are compared, in the order of METRICS."""
    return [tag for name in METRICS for tag in scores if metric(tag) == name]


def compare(features: str, other: str, tag: str, values: np.ndarray, other_values: np.ndarray) -> Comparison:
    """Compare the values (draws,) of two feature sets on equal draws; draws that one cannot define are left out."""
    defined = np.isfinite(values) & np.isfinite(other_values)
    values, other_values = values[defined], other_values[defined]
    number = len(values)
    means = [float(each.mean()) if number else float("nan") for each in (values, other_values)]
    error = float(np.std(values - other_values, ddof=1) / sqrt(number)) if number > 1 else float("nan")
    return Comparison(features, other, tag, *means, means[0] - means[1], error, number)


def comparisons(trained: dict[str, Scores], yardsticks: dict[str, Scores]) -> list[Comparison]:
    """Compare every trained feature set with every yardstick in every figure that both have."""
    return [
        compare(name, other, tag, scores[tag], yardstick[tag])
        for name, scores in trained.items()
        for tag in figures(scores)
        for other, yardstick in yardsticks.items()
        if tag in yardstick
    ]


def against_the_best(compared: Iterable[Comparison]) -> list[Comparison]:
    """Return, for each feature set and figure, the comparison with the yardstick that has the best mean."""
    best: dict[tuple[str, str], Comparison] = {}
    for each in compared:
        key, sign = (each.features, each.tag), -1 if less_is_better(each.tag) else 1
        if key not in best or sign * each.other_mean > sign * best[key].other_mean:
            best[key] = each
    return list(best.values())


def means_table(scores: dict[str, Scores]) -> str:
    """Return the means of all feature sets as a Markdown table; the best of each column is bold."""
    tags = figures(next(iter(scores.values())))
    means = {name: [float(np.nanmean(values[tag])) for tag in tags] for name, values in scores.items()}
    best = [
        (min if less_is_better(tag) else max)(row[column] for row in means.values()) for column, tag in enumerate(tags)
    ]
    rows = [[name, *(bold(f"{v:.3f}", v == b) for v, b in zip(row, best))] for name, row in means.items()]
    return markdown(["", *(tag.partition("/")[2].replace("/", ", ") for tag in tags)], rows)


def targets_table(compared: Iterable[Comparison]) -> str:
    """Return comparisons as a Markdown table."""
    titles = ["", "figure", "mean", "yardstick", "its mean", "difference", "verdict", "ratio"]
    rows = [
        [
            each.features, each.tag.partition("/")[2].replace("/", ", "), f"{each.mean:.3f}", each.other,
            f"{each.other_mean:.3f}", f"{each.difference:+.3f} ±{each.standard_error:.3f}", each.verdict or "equal",
            "" if isnan(each.ratio) else f"{each.ratio:.2f}",
        ]
        for each in compared
    ]  # fmt: skip
    return markdown(titles, rows)


def bold(text: str, is_bold: bool) -> str:
    """Return the text, in bold type if asked."""
    return f"**{text}**" if is_bold else text


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)
