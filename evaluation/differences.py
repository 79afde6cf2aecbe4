"""Paired differences: whether one feature set scores better than another on equal draws of equal tiles.

Draws differ far more than feature sets do; most of that cancels in the differences.
"""

from collections.abc import Sequence
from math import isfinite, nan, sqrt
from typing import NamedTuple

import numpy as np

from config import LESS_IS_BETTER, USED_DIMENSIONS

COMPARED_METRICS = ("accuracy", "sum_error", "MAP@1", "MAP@10", "MAP@R", "graded_MAP@R")  # embeddings are chosen by
STANDARD_ERRORS = 2  # a mean difference beyond so many is called better or worse
ROUNDING = 1e-9  # equal differences have a standard error of about 1e-17


class Difference(NamedTuple):
    """What a feature set scores in a figure less what another one does.

    Attributes:
        mean: over the seeds of the mean difference of each, NaN without any
        error: standard error of this mean, NaN for fewer than two pairs; see `paired_difference`
        pairs: number of draws, of all seeds, in which both have a value
        verdict: of the first: "better", "worse", or "" if zero is within two standard errors
        ours, theirs: the means of both in the same draws
    """

    mean: float
    error: float
    pairs: int
    verdict: str
    ours: float
    theirs: float


def paired_difference(tag: str, ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Difference:
    """Return the difference of two feature sets in the score with this tag.

    The standard error of one seed is that of draws which share tiles, see `_error_of_draws`. Of several seeds it is the
    larger of two: over all pairs, and over the means of the seeds. The draws of a seed share a network, so that the
    first alone would be too small where seeds differ; and a few seeds may agree by chance, so that the second would be.

    Args:
        tag: of the score, group/metric or group/metric/model
        ours, theirs: of each seed, the value in each draw; a draw in which one is not finite is left out of both
    Raises:
        ValueError: they differ in the number of seeds, or of draws of a seed
    """
    tables = [np.array(seed, float).reshape(2, -1) for seed in zip(ours, theirs, strict=True)]
    seeds = [table[:, np.isfinite(table).all(axis=0)] for table in tables]  # of each seed, (2, pairs)
    seeds = [pairs for pairs in seeds if pairs.size]
    if not seeds:
        return Difference(nan, nan, 0, "", nan, nan)
    our_mean, their_mean = np.mean([pairs.mean(axis=1) for pairs in seeds], axis=0).tolist()
    gaps = [pairs[0] - pairs[1] for pairs in seeds]
    all_gaps, means = np.concatenate(gaps), np.array([each.mean() for each in gaps])
    mean = float(means.mean())
    several = len(gaps) > 1
    error = max(map(_standard_error, (all_gaps, means))) if several else _error_of_draws(all_gaps)
    return Difference(mean, error, len(all_gaps), _verdict(tag, mean, error), our_mean, their_mean)


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / sqrt(len(values))


def _error_of_draws(values: np.ndarray) -> float:
    """Return the standard error of the mean of a score (J,) over draws of half a pool each; NaN for one draw.

    A draw without replacement from N = 2 n tiles varies by half of the variance of n independent tiles. The other half
    is in the pool, which all draws share; so the mean varies by 1 + 1/J times the variance of a draw, and not by 1/J.
    """
    return float(values.std(ddof=1)) * sqrt(1 + 1 / len(values)) if len(values) > 1 else nan


def _verdict(tag: str, mean: float, error: float) -> str:
    if not isfinite(error) or abs(mean) <= STANDARD_ERRORS * error + ROUNDING:
        return ""
    return "better" if (mean < 0) == less_is_better(tag) else "worse"


def metric_of(tag: str) -> str:
    """Return the metric in a tag, group/metric or group/metric/model."""
    return tag.split("/")[1]


def less_is_better(tag: str) -> bool:
    """Return whether a small value of the score with this tag is good."""
    return metric_of(tag) in LESS_IS_BETTER


def is_score(tag: str) -> bool:
    """Return whether of two values with this tag one is better; the share of dimensions in use only describes."""
    return tag != USED_DIMENSIONS


def is_compared(tag: str) -> bool:
    """Return whether embeddings are compared in the score with this tag."""
    return metric_of(tag) in COMPARED_METRICS
