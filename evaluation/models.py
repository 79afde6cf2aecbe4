"""The simple models that show what an embedding knows: by name, factories (seed, jobs) -> scikit-learn pipeline.

Their settings are those of 2021, so that figures stay comparable: 5 neighbours, C 0.5, 150 trees, 2500 iterations.
"""

import warnings
from collections.abc import Iterator
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


class FewerNeighbours:
    """Mixin: as many neighbours as asked for, or as there are tiles to fit on."""

    def fit(self, features: np.ndarray, targets: np.ndarray) -> "FewerNeighbours":
        """Fit on features (F, D)."""
        self.n_neighbors = min(self.n_neighbors, len(features))
        return super().fit(features, targets)


class NeighboursClassifier(FewerNeighbours, KNeighborsClassifier):
    """k nearest neighbours that copes with few tiles."""


class NeighboursRegressor(FewerNeighbours, KNeighborsRegressor):
    """k nearest neighbours that copes with few tiles."""


class OrderedVotes:
    """Mixin: a forest grown by threads, whose trees' predictions are added in order: equal seeds, equal sums."""

    def fit(self, features: np.ndarray, targets: np.ndarray) -> "OrderedVotes":
        """Fit on features (F, D)."""
        super().fit(features, targets)
        self.n_jobs = 1  # with more, predict adds in the order in which threads end
        return self


class ForestClassifier(OrderedVotes, RandomForestClassifier):
    """Random forest whose predictions do not depend on the number of threads."""


class ForestRegressor(OrderedVotes, RandomForestRegressor):
    """Random forest whose predictions do not depend on the number of threads."""


class AnyClasses(ClassifierMixin, BaseEstimator):
    """A classifier that may be fitted on tiles of one class: then it predicts that class (SVC would refuse)."""

    def __init__(self, model: BaseEstimator):
        self.model = model

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "AnyClasses":
        """Fit on features (F, D) and labels (F,)."""
        several = len(np.unique(labels)) > 1
        self.fitted_ = clone(self.model if several else DummyClassifier()).fit(features, labels)
        self.classes_ = self.fitted_.classes_
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Labels (S,) of features (S, D)."""
        return self.fitted_.predict(features)

    @available_if(lambda model: hasattr(getattr(model, "fitted_", model.model), "predict_proba"))
    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Probabilities (S, k) of the classes `classes_` (k,); not every model has them."""
        return self.fitted_.predict_proba(features)


def classifier(model: BaseEstimator) -> Pipeline:
    """Classifier of any number of classes, behind a StandardScaler."""
    return make_pipeline(StandardScaler(), AnyClasses(model))


def regressor(model: BaseEstimator) -> Pipeline:
    """Regressor of all proportions at once, behind a StandardScaler."""
    return make_pipeline(StandardScaler(), model)


CLASSIFIERS = {
    "knn": lambda seed, jobs: classifier(NeighboursClassifier(5, n_jobs=jobs)),
    "svc": lambda seed, jobs: classifier(SVC(C=0.5, random_state=seed)),
    "rfc": lambda seed, jobs: classifier(ForestClassifier(150, random_state=seed, n_jobs=jobs)),
    "mlp": lambda seed, jobs: classifier(MLPClassifier(max_iter=2500, random_state=seed)),
    "dt": lambda seed, jobs: classifier(DecisionTreeClassifier(random_state=seed)),
}

REGRESSORS = {
    "knn": lambda seed, jobs: regressor(NeighboursRegressor(5, n_jobs=jobs)),
    "svc": lambda seed, jobs: regressor(MultiOutputRegressor(SVR(C=0.5), n_jobs=jobs)),
    "rfc": lambda seed, jobs: regressor(ForestRegressor(150, random_state=seed, n_jobs=jobs)),
    "mlp": lambda seed, jobs: regressor(MLPRegressor(max_iter=2500, random_state=seed)),
    "dt": lambda seed, jobs: regressor(DecisionTreeRegressor(random_state=seed)),
}


def fit_predict(model: Pipeline, fit: np.ndarray, targets: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Fit the model on features (F, D) and targets (F,) or (F, K); its predictions (S,) or (S, K) for features (S, D).

    Jobs are threads: the models let go of the interpreter while they work, and processes would each load scikit-learn.
    """
    with ignore_known_warnings():
        return model.fit(fit, targets).predict(score)


def fit_votes(model: Pipeline, fit: np.ndarray, labels: np.ndarray, score: np.ndarray, classes: int) -> np.ndarray:
    """Fit a classifier on features (F, D) and labels (F,); its votes (S, K) for features (S, D), whose rows sum to 1.

    These are its probabilities; of a model that gives none, 1 for the class that it predicts.
    """
    votes = np.zeros((len(score), classes))
    with ignore_known_warnings():
        model.fit(fit, labels)
        if hasattr(model, "predict_proba"):
            votes[:, model.classes_] = model.predict_proba(score)
        else:
            votes[np.arange(len(score)), model.predict(score)] = 1
    return votes


@contextmanager
def ignore_known_warnings() -> Iterator[None]:
    """Where models are fitted: by threads, and without the warnings that say nothing new."""
    with joblib.parallel_config(backend="threading"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 2500 iterations were chosen, all used or not
        warnings.simplefilter("ignore", DataConversionWarning)  # a legend of one class makes a single column of targets
        yield
