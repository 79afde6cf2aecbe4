"""Linear models whose strength is chosen by cross-validation on the tiles that they are fitted on."""

from collections.abc import Callable

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from evaluation.basis import principal_basis
from evaluation.logistic import Columns, fit_weights, log_loss, probabilities

FOLDS = 3
MAX_CHOICE_TILES = 2_000  # on which the strength is chosen; the model itself is fitted on all
STRENGTHS = [10.0**power for power in range(-4, 3)]  # of logistic regression, from the smoothest model on
PENALTIES = [10.0**power for power in range(-3, 6)]  # of ridge regression
DEFAULT_STRENGTH = 1.0  # where nothing can be cross-validated
SMALLEST_SHARE = 1e-12  # of a tile's own error that is left when it is fitted on, at least


class LogisticClassifier(ClassifierMixin, BaseEstimator):
    """Logistic regression whose strength C is the power of ten with the least log loss in three folds.

    The powers are tried from the smoothest model on, each from the weights of the one before, until the loss rises: the
    rest would take most of the time. The folds are made of the first 2,000 tiles at most.

    Args:
        choose: features (F, D), labels (F,) -> C

    Attributes:
        C: the chosen strength
        classes_: (K,) labels
        coef_, intercept_: (K, D) and (K,)
    """

    def __init__(self, choose: Callable[[np.ndarray, np.ndarray], float]):
        self.choose = choose

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "LogisticClassifier":
        """Fit on features (F, D), scaled, and labels (F,) of two classes or more."""
        self.C = self.choose(features[:MAX_CHOICE_TILES], labels[:MAX_CHOICE_TILES])
        basis = principal_basis(features)
        self.classes_, indices = np.unique(labels, return_inverse=True)
        start = np.zeros((len(self.classes_), 1 + len(basis.extents)))
        weights = fit_weights(Columns.of(basis), indices, self.C, start)
        self.coef_ = weights[:, 1:] @ basis.axes.T
        self.intercept_ = weights[:, 0] - self.coef_ @ basis.centre
        return self

    def decision_function(self, features: np.ndarray) -> np.ndarray:
        """Return the logits (S, K) of features (S, D)."""
        return features @ self.coef_.T + self.intercept_

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the labels (S,) of features (S, D)."""
        return self.classes_[self.decision_function(features).argmax(1)]

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities (S, K) of the classes for features (S, D)."""
        return probabilities(self.decision_function(features))


class RidgeRegressor(RegressorMixin, BaseEstimator):
    """Ridge regression of all proportions; the penalty by leave-one-out, which has a closed form.

    Attributes:
        alpha_: the chosen penalty
        coef_, intercept_: (D, K) and (K,)
    """

    def fit(self, features: np.ndarray, targets: np.ndarray) -> "RidgeRegressor":
        """Fit on features (F, D), scaled, and targets (F, K). Of one tile nothing can be left out: it is repeated."""
        repeats = 1 if len(features) > 1 else 2
        basis = principal_basis(np.repeat(features, repeats, 0) if repeats > 1 else features)
        targets = np.repeat(np.asarray(targets, np.float64), repeats, 0)
        mean = targets.mean(0)
        products = basis.coordinates.T @ (targets - mean)  # (r, K)
        shrunk = 1 / (basis.extents + np.array(PENALTIES)[:, None])  # (penalties, r)
        weights = products * shrunk[..., None]  # (penalties, r, K)
        left = 1 - 1 / len(targets) - shrunk @ (basis.coordinates**2).T  # (penalties, F): share of the own error
        errors = (targets - mean - basis.coordinates @ weights) / np.maximum(left, SMALLEST_SHARE)[..., None]
        best = int((errors**2).mean((1, 2)).argmin())
        self.alpha_ = PENALTIES[best]
        self.coef_ = basis.axes @ weights[best]
        self.intercept_ = mean - basis.centre @ self.coef_
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the proportions (S, K), not normalised, of features (S, D)."""
        return features @ self.coef_ + self.intercept_


def logistic_classifier() -> LogisticClassifier:
    """Return a classifier for two classes or more; its clones have the strength that the first of them chooses.

    Choosing takes most of the time of a fit. Clones are fitted on other draws from one pool, where another choice is
    chance.
    """
    chosen: list[float] = []

    def choose_once(features: np.ndarray, labels: np.ndarray) -> float:
        if not chosen:
            chosen.append(choose_strength(features, labels))
        return chosen[0]

    return LogisticClassifier(choose_once)  # sklearn.base.clone copies functions as they are, and objects deeply


def ridge_regressor() -> RidgeRegressor:
    """Return a regressor for all proportions at once."""
    return RidgeRegressor()


def choose_strength(features: np.ndarray, labels: np.ndarray) -> float:
    """Return the strength of STRENGTHS with the least log loss over the folds, for features (F, D), labels (F,)."""
    if np.sum(np.unique(labels, return_counts=True)[1] > 1) < 2:
        return DEFAULT_STRENGTH  # without one of the folds, a single class would be left
    columns, fold_of = Columns.of(principal_basis(features)), deal_folds(labels)
    folds = [Fold(columns, labels, fold_of == fold) for fold in range(FOLDS)]
    best, least = DEFAULT_STRENGTH, np.inf
    for strength in STRENGTHS:
        loss = sum(fold.loss(strength) for fold in folds)
        if loss >= least:
            break
        best, least = strength, loss
    return best


class Fold:
    """Fits on the tiles of the other folds, and tells the log loss of its own; each fit starts from the one before.

    Args:
        columns: of all tiles
        labels: (F,) of all tiles; own tiles of classes that the others lack are left out
        own: (F,) bool, the tiles of this fold
    """

    def __init__(self, columns: Columns, labels: np.ndarray, own: np.ndarray):
        classes, self.labels = np.unique(labels[~own], return_inverse=True)
        known = own & np.isin(labels, classes)
        self.fitted, self.left_out = columns.take(~own), columns.take(known)
        self.true = np.searchsorted(classes, labels[known])
        self.weights = np.zeros((len(classes), len(columns.squares)))

    def loss(self, strength: float) -> float:
        """Return the summed log loss of its own tiles, with a model of this strength."""
        self.weights = fit_weights(self.fitted, self.labels, strength, self.weights)
        return log_loss(self.weights, self.left_out, self.true)


def deal_folds(labels: np.ndarray) -> np.ndarray:
    """Return the fold 0 .. FOLDS - 1 of each of the labels (F,); every class is dealt out evenly, as far as it goes."""
    folds = np.empty(len(labels), np.int64)
    folds[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS
    return folds
