"""Paired differences between two rows of a grid, and whether they are more than chance."""

from math import isfinite, nan, sqrt
from statistics import fmean, stdev
from typing import NamedTuple

from grid.results import Row
from reporting.comparison.rows import less_is_better

STANDARD_ERRORS = 2  # a mean beyond so many is called better or worse


class Difference(NamedTuple):
    """The paired difference of a score: a row less its reference, on equal tiles.

    Attributes:
        mean: of the differences, NaN without any pair
        error: standard error of this mean, NaN for fewer than two pairs
        pairs: number of pairs, one for each seed that both have
        verdict: "better", "worse", or "" if zero is within two standard errors
    """

    mean: float
    error: float
    pairs: int
    verdict: str


def paired_difference(row: Row, reference: Row, tag: str) -> Difference:
    """Return the difference of two rows in the score with this tag, over the seeds that both have."""
    ours, theirs = row.values(tag), reference.values(tag)
    values = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    mean = fmean(values) if values else nan
    error = stdev(values) / sqrt(len(values)) if len(values) > 1 else nan
    return Difference(mean, error, len(values), _verdict(mean, error, less_is_better(tag)))


def _verdict(mean: float, error: float, less: bool) -> str:
    if not isfinite(error) or abs(mean) <= STANDARD_ERRORS * error:
        return ""
    return "better" if (mean < 0) == less else "worse"
