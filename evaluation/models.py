"""The simple models that predict land cover from embeddings: name -> factory (seed, jobs) -> scikit-learn pipeline.

The settings of all but `linear` are those of 2021, so that scores stay comparable: 5 neighbours, C 0.5, 150 trees,
2500 iterations. Only the trees of forests see the features in steps, see `evaluation.levels`.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import joblib
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.metaestimators import available_if

from evaluation.levels import QuantileLevels
from evaluation.linear import logistic_classifier, ridge_regressor


class FewerNeighbours:
    """Mixin: limits the number of neighbours to the number of tiles to fit on."""

    n_neighbors: int

    def fit(self, features: np.ndarray, targets: np.ndarray) -> "FewerNeighbours":
        """Fit on features (F, D)."""
        self.n_neighbors = min(self.n_neighbors, len(features))
        return super().fit(features, targets)  # type: ignore[misc]  # of the class that this is mixed into


class NeighboursClassifier(FewerNeighbours, KNeighborsClassifier):
    """k nearest neighbours that also works with fewer than k tiles."""


class NeighboursRegressor(FewerNeighbours, KNeighborsRegressor):
    """k nearest neighbours that also works with fewer than k tiles."""


class OrderedVotes:
    """Mixin: fits a forest with several threads, but adds the trees' predictions in order: equal seeds, equal sums."""

    n_jobs: int

    def fit(self, features: np.ndarray, targets: np.ndarray) -> "OrderedVotes":
        """Fit on features (F, D)."""
        super().fit(features, targets)  # type: ignore[misc]  # of the class that this is mixed into
        self.n_jobs = 1  # with more threads, predict adds in the order in which they end
        return self


class ForestClassifier(OrderedVotes, RandomForestClassifier):
    """Random forest whose predictions do not depend on the number of threads."""


class ForestRegressor(OrderedVotes, RandomForestRegressor):
    """Random forest whose predictions do not depend on the number of threads."""


class SingleClassFallback(ClassifierMixin, BaseEstimator):
    """Classifier that can be fitted on tiles of a single class, and then predicts it (SVC would raise an error)."""

    def __init__(self, model: BaseEstimator):
        self.model = model

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "SingleClassFallback":
        """Fit on features (F, D) and labels (F,)."""
        several = len(np.unique(labels)) > 1
        self.fitted_ = clone(self.model if several else DummyClassifier()).fit(features, labels)
        self.classes_ = self.fitted_.classes_
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the labels (S,) for features (S, D)."""
        return self.fitted_.predict(features)

    @available_if(lambda model: hasattr(getattr(model, "fitted_", model.model), "predict_proba"))
    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities (S, k) of the classes `classes_` (k,); only if the model has them."""
        return self.fitted_.predict_proba(features)


def classifier(model: BaseEstimator) -> Pipeline:
    """Return a pipeline of a StandardScaler and a classifier for any number of classes."""
    return make_pipeline(StandardScaler(), SingleClassFallback(model))


def regressor(model: BaseEstimator) -> Pipeline:
    """Return a pipeline of a StandardScaler and a regressor for all proportions at once."""
    return make_pipeline(StandardScaler(), model)


def of_levels(forest: BaseEstimator) -> Pipeline:
    """Return a forest whose trees see every feature in steps."""
    return make_pipeline(QuantileLevels(), forest)


Factory = Callable[[int, int], Pipeline]  # (seed, jobs) -> pipeline

CLASSIFIERS: dict[str, Factory] = {
    "knn": lambda seed, jobs: classifier(NeighboursClassifier(5, n_jobs=jobs)),
    "linear": lambda seed, jobs: classifier(logistic_classifier()),
    "svc": lambda seed, jobs: classifier(SVC(C=0.5, random_state=seed)),
    "rfc": lambda seed, jobs: classifier(of_levels(ForestClassifier(150, random_state=seed, n_jobs=jobs))),
    "mlp": lambda seed, jobs: classifier(MLPClassifier(max_iter=2500, random_state=seed)),
    "dt": lambda seed, jobs: classifier(DecisionTreeClassifier(random_state=seed)),
}

REGRESSORS: dict[str, Factory] = {
    "knn": lambda seed, jobs: regressor(NeighboursRegressor(5, n_jobs=jobs)),
    "linear": lambda seed, jobs: regressor(ridge_regressor()),
    "svc": lambda seed, jobs: regressor(MultiOutputRegressor(SVR(C=0.5), n_jobs=jobs)),
    "rfc": lambda seed, jobs: regressor(of_levels(ForestRegressor(150, random_state=seed, n_jobs=jobs))),
    "mlp": lambda seed, jobs: regressor(MLPRegressor(max_iter=2500, random_state=seed)),
    "dt": lambda seed, jobs: regressor(DecisionTreeRegressor(random_state=seed)),
}


def fit_predict(model: Pipeline, fit: np.ndarray, targets: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Fit the model, then return its predictions (S,) or (S, K).

    Jobs are threads: the models release Python's global lock while they compute, and every process would have to import
    scikit-learn.

    Args:
        model: pipeline of CLASSIFIERS or REGRESSORS
        fit: (F, D) features to fit on
        targets: (F,) labels or (F, K) proportions to fit on
        score: (S, D) features to predict
    """
    with ignore_known_warnings():
        return model.fit(fit, targets).predict(score)


def fitted(model: Pipeline, features: np.ndarray, targets: np.ndarray) -> Pipeline:
    """Fit a model of CLASSIFIERS or REGRESSORS on features (F, D) and labels (F,) or proportions (F, K); return it."""
    with ignore_known_warnings():
        return model.fit(features, targets)


def fit_predict_votes(
    model: Pipeline, fit: np.ndarray, labels: np.ndarray, score: np.ndarray, classes: int
) -> np.ndarray:
    """Fit a classifier, then return its votes (S, K); each row sums to 1.

    The votes are its probabilities; if the model has none, 1 for the predicted class.

    Args:
        model: pipeline of CLASSIFIERS
        fit: (F, D) features to fit on
        labels: (F,) class indices to fit on
        score: (S, D) features to predict
        classes: K, the number of classes
    """
    return predict_votes(fitted(model, fit, labels), score, classes)


def predict_votes(model: Pipeline, score: np.ndarray, classes: int) -> np.ndarray:
    """Return the votes (S, K) of a fitted classifier, see `fit_predict_votes`."""
    votes = np.zeros((len(score), classes))
    with ignore_known_warnings():
        if hasattr(model, "predict_proba"):
            votes[:, model.classes_] = model.predict_proba(score)
        else:
            votes[np.arange(len(score)), model.predict(score)] = 1
    return votes


@contextmanager
def ignore_known_warnings() -> Iterator[None]:
    """Context for fitting models: jobs are threads, and warnings that we know and accept are ignored."""
    with joblib.parallel_config(backend="threading"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the limit of 2500 iterations is intended
        warnings.simplefilter("ignore", DataConversionWarning)  # a legend of one class has a single column of targets
        yield
