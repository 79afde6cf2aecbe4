"""Linear models whose strength is chosen by cross-validation on the tiles that they are fitted on."""

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV

FOLDS = 3
MAX_CHOICE_TILES = 2_000  # on which the strength is chosen; the model itself is fitted on all
STRENGTHS = [10.0**power for power in range(-4, 3)]  # of logistic regression, from the smoothest model on
PENALTIES = [10.0**power for power in range(-3, 6)]  # of ridge regression
MAX_ITERATIONS, TOLERANCE = 200, 1e-3  # four times as fast as 1e-4, at equal accuracy
DEFAULT_STRENGTH = 1.0  # where nothing can be cross-validated
MIN_PROBABILITY = 1e-12


class LogisticClassifier(LogisticRegression):
    """Logistic regression whose strength C is the power of ten with the least log loss in three folds.

    The powers are tried from the smoothest model on, each from the weights of the one before, until the loss rises: the
    rest would take most of the time. The folds are made of the first 2,000 tiles at most.

    Args:
        choose: features (F, D), labels (F,) -> C
        max_iter, tol: as in LogisticRegression
    """

    def __init__(
        self, choose: Callable[[np.ndarray, np.ndarray], float], max_iter: int = MAX_ITERATIONS, tol: float = TOLERANCE
    ):
        super().__init__(max_iter=max_iter, tol=tol)
        self.choose = choose

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "LogisticClassifier":
        """Fit on features (F, D), scaled, and labels (F,) of two classes or more."""
        self.C = self.choose(features[:MAX_CHOICE_TILES], labels[:MAX_CHOICE_TILES])
        return super().fit(features, labels)


class RidgeRegressor(RidgeCV):
    """Ridge regression of all proportions; the penalty by leave-one-out, which has a closed form."""

    def fit(self, features: np.ndarray, targets: np.ndarray) -> "RidgeRegressor":
        """Fit on features (F, D), scaled, and targets (F, K). Of one tile nothing can be left out: it is repeated."""
        repeats = 1 if len(features) > 1 else 2
        return super().fit(np.repeat(features, repeats, 0).astype(np.float64), np.repeat(targets, repeats, 0))


def logistic_classifier() -> LogisticClassifier:
    """Return a classifier for two classes or more; its clones have the strength that the first of them chooses.

    Choosing takes eight tenths of the time of a fit on 1,024 features. Clones are fitted on other draws from one pool,
    where another choice is chance.
    """
    chosen: list[float] = []

    def choose_once(features: np.ndarray, labels: np.ndarray) -> float:
        if not chosen:
            chosen.append(choose_strength(features, labels))
        return chosen[0]

    return LogisticClassifier(choose_once)  # sklearn.base.clone copies functions as they are, and objects deeply


def ridge_regressor() -> RidgeRegressor:
    """Return a regressor for all proportions at once."""
    return RidgeRegressor(alphas=PENALTIES)


def choose_strength(features: np.ndarray, labels: np.ndarray) -> float:
    """Return the strength of STRENGTHS with the least log loss over the folds, for features (F, D), labels (F,)."""
    if np.sum(np.unique(labels, return_counts=True)[1] > 1) < 2:
        return DEFAULT_STRENGTH  # without one of the folds, a single class would be left
    folds = deal_folds(labels)
    models = [LogisticRegression(max_iter=MAX_ITERATIONS, tol=TOLERANCE, warm_start=True) for _ in range(FOLDS)]
    best, least = DEFAULT_STRENGTH, np.inf
    for strength in STRENGTHS:
        loss = 0.0
        for fold, model in enumerate(models):
            left_out = folds == fold
            model.set_params(C=strength).fit(features[~left_out], labels[~left_out])
            loss += log_loss(model, features[left_out], labels[left_out])
        if loss >= least:
            break
        best, least = strength, loss
    return best


def deal_folds(labels: np.ndarray) -> np.ndarray:
    """Return the fold 0 .. FOLDS - 1 of each of the labels (F,); every class is dealt out evenly, as far as it goes."""
    folds = np.empty(len(labels), np.int64)
    folds[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS
    return folds


def log_loss(model: LogisticRegression, features: np.ndarray, labels: np.ndarray) -> float:
    """Return the summed log loss over features (n, D), labels (n,), without those of classes that the model lacks."""
    known = np.isin(labels, model.classes_)
    columns = np.searchsorted(model.classes_, labels[known])
    if not len(columns):
        return 0.0
    probabilities = model.predict_proba(features[known])[np.arange(len(columns)), columns]
    return float(-np.log(np.maximum(probabilities, MIN_PROBABILITY)).sum())
