"""Paired differences between two rows of a grid, and whether they are more than chance."""

from math import isfinite, nan, sqrt
from operator import sub
from statistics import fmean, stdev
from typing import NamedTuple

from grid.results import Row
from reporting.comparison.rows import less_is_better

STANDARD_ERRORS = 2  # a mean beyond so many is called better or worse
ROUNDING = 1e-9  # equal differences have a standard error of 1e-17


class Difference(NamedTuple):
    """The paired difference of a score: a row less its reference, on equal tiles.

    Attributes:
        mean: over the seeds of the mean difference of each, NaN without any
        error: standard error of this mean, NaN for fewer than two pairs
        pairs: number of pairs: a pair for each draw of each seed that both have, or else for each seed
        verdict: "better", "worse", or "" if zero is within two standard errors
    """

    mean: float
    error: float
    pairs: int
    verdict: str


def paired_difference(row: Row, reference: Row, tag: str) -> Difference:
    """Return the difference of two rows in the score with this tag, over the seeds that both have.

    The standard error is the larger of two: over all pairs, and over the means of the seeds. The draws of a seed share
    a network and many tiles, so that the first alone would be too small where seeds differ; and a few seeds may agree
    by chance, so that the second would be.
    """
    by_seed = [_differences_of_seed(row, reference, tag, seed) for seed in sorted(row.values(tag))]
    by_seed = [values for values in by_seed if values]
    pairs, means = [value for values in by_seed for value in values], [fmean(values) for values in by_seed]
    mean = fmean(means) if means else nan
    error = max((_standard_error(values) for values in (pairs, means) if len(values) > 1), default=nan)
    return Difference(mean, error, len(pairs), _verdict(mean, error, less_is_better(tag)))


def _differences_of_seed(row: Row, reference: Row, tag: str, seed: int) -> list[float]:
    """Return the differences in the draws in which both have a value; without draws, that of the means over them."""
    ours, theirs = (each.draws.get(tag, {}).get(seed, []) for each in (row, reference))
    if not ours or len(ours) != len(theirs):
        ours, theirs = ([each.values(tag).get(seed, nan)] for each in (row, reference))
    return [value for value in map(sub, ours, theirs) if isfinite(value)]


def _standard_error(values: list[float]) -> float:
    return stdev(values) / sqrt(len(values))


def _verdict(mean: float, error: float, less: bool) -> str:
    if not isfinite(error) or abs(mean) <= STANDARD_ERRORS * error + ROUNDING:
        return ""
    return "better" if (mean < 0) == less else "worse"
