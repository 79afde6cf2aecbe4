"""The prediction tasks: which models and which metrics belong to each."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, recall_score, silhouette_score

from evaluation.chance import chance_graded_map_at_r, chance_map_at_r, chance_multilabel_map
from evaluation.models import CLASSIFIERS, REGRESSORS
from evaluation.proportions import sum_error
from evaluation.retrieval import graded_map_at_r, map_at_r, multilabel_map
from evaluation.silhouette import gsil


class Task(NamedTuple):
    """A prediction task with its models and metrics: of the models' predictions, and of the features themselves."""

    name: str
    models: dict[str, Callable]  # name -> factory (seed, jobs)
    model_metrics: dict[str, Callable]  # name -> function (truth, predicted)
    feature_metrics: dict[str, Callable]  # name -> function (features, truth)


def silhouette(features: np.ndarray, labels: np.ndarray) -> float:
    """Return the silhouette (Rousseeuw 1987) of features (S, D), labels (S,); NaN unless it has 2 to S - 1 labels."""
    possible = 2 <= len(np.unique(labels)) < len(labels)
    return float(silhouette_score(features, labels)) if possible else float("nan")


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean recall of the true classes. scikit-learn's own function warns about other predicted classes."""
    return recall_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0)


def cached_metric(function: Callable[[np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    """Return a metric (features, truth) from a function of the truth alone, which is called once for every truth.

    All feature sets, in all epochs, are scored on the same draws.
    """
    cache: dict[tuple, float] = {}

    def metric(features: np.ndarray, truth: np.ndarray) -> float:
        key = truth.shape, truth.dtype.str, hashlib.sha256(truth.tobytes()).digest()
        if key not in cache:
            cache[key] = function(truth)
        return cache[key]

    return metric


SINGLE_CLASS = Task(
    "single_class",
    CLASSIFIERS,
    {
        "accuracy": accuracy_score,
        "balanced_accuracy": balanced_accuracy,
        "weighted_F1": lambda truth, predicted: f1_score(truth, predicted, average="weighted", zero_division=0),
    },
    {
        "MAP@R": map_at_r,
        "MAP@R_chance": cached_metric(chance_map_at_r),
        "silhouette": silhouette,
    },
)
MULTI_CLASS = Task(
    "multi_class",
    REGRESSORS,
    {"sum_error": lambda truth, predicted: sum_error(predicted, truth)},
    {
        "MAP@1": lambda features, proportions: multilabel_map(features, proportions, 1),
        "MAP@5": lambda features, proportions: multilabel_map(features, proportions, 5),
        "MAP@10": lambda features, proportions: multilabel_map(features, proportions, 10),
        "MAP_chance": cached_metric(chance_multilabel_map),
        "graded_MAP@R": graded_map_at_r,
        "graded_MAP@R_chance": cached_metric(chance_graded_map_at_r),
        "gSil": gsil,
    },
)
