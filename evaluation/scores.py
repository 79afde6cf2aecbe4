"""The scores of a feature set: what an evaluation returns."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from config import LESS_IS_BETTER, RETRIEVAL_METRICS
from evaluation.segmentation import Segmentation


class Score(NamedTuple):
    """One score: mean and (population) standard deviation over the draws with a finite value; NaN if there is none.

    For segmentation: the value of all cells together, and its standard deviation over bootstrap draws of the cells.
    """

    features: str  # "trained", or the name of a yardstick; for segmentation also "coarsened_labels"
    task: str  # "single_class", "multi_class" or "segmentation"
    model: str  # a name of CLASSIFIERS or REGRESSORS, "-": no model
    metric: str
    mean: float
    std: float

    @property
    def tag(self) -> str:
        """Name of the score among those of the same feature set: group/metric, or group/metric/model.

        The group is the task, or "retrieval" for metrics of the nearest tiles, which need no model.
        """
        group = "retrieval" if self.metric in RETRIEVAL_METRICS else self.task
        return "/".join(part for part in (group, self.metric, self.model) if part != "-")


def objective(scores: Iterable[Score], tag: str) -> float:
    """Return the mean of the score with this tag, negated if less is better; -inf if it is missing or NaN."""
    score = next((score for score in scores if score.tag == tag), None)
    if score is None or math.isnan(score.mean):
        return -math.inf
    return -score.mean if score.metric in LESS_IS_BETTER else score.mean


@dataclass(frozen=True)
class Settings:
    """Settings of an evaluation: which models are fitted, and on which tiles."""

    single_class_models: tuple[str, ...]  # names of CLASSIFIERS
    multi_class_models: tuple[str, ...]  # names of REGRESSORS
    threshold: float = 0.0  # single class: only tiles whose dominant class covers at least this share, 0 to 1
    jobs: int = 1  # number of threads of one model or metric
    seed: int = 0


@dataclass(frozen=True)
class Evaluation:
    """All results for one feature set."""

    features: str
    scores: list[Score]
    confusion: dict[str, np.ndarray]  # classifier -> (K, K) int64, rows are the truth, summed over the draws
    predicted: dict[str, np.ndarray]  # regressor -> (n, K) normalised, first draw; {} if nothing could be fitted
    truth: np.ndarray  # (n, K) proportions of the same tiles: the labelled tiles scored in the first draw
    segmentation: dict[str, Segmentation] = field(default_factory=dict)  # by classifier; {}: no segmentation
    by_draw: dict[str, list[float]] = field(default_factory=dict)  # tag of a score -> its value in each draw, or NaN
