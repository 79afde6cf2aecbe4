"""Logistic regression along principal axes, against scikit-learn's solver that is run to the end."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeCV

from evaluation import logistic
from evaluation.basis import principal_basis
from evaluation.linear import PENALTIES, LogisticClassifier, ridge_regressor
from evaluation.logistic import Columns, fit_weights, log_loss, probabilities


def correlated(count=300, columns=40, classes=4, seed=0):
    """Features of very different extents, and labels that depend on them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, columns)) * np.logspace(1, -3, columns) @ rng.normal(size=(columns, columns))
    features = (features - features.mean(0)) / features.std(0) + 0.5
    return features, (features @ rng.normal(size=(columns, classes)) + rng.gumbel(size=(count, classes))).argmax(1)


def objective(coef, intercept, features, labels, strength):
    """Mean log loss and penalty, as scikit-learn defines them; of two classes, of the difference of the weights."""
    shares = probabilities(features @ coef.T + intercept)
    penalty = (coef**2).sum() * (2 if len(coef) == 2 else 1)
    return -np.log(shares[np.arange(len(labels)), labels]).mean() + penalty / (2 * strength * len(labels))


def of_scikit_learn(features, labels, strength, tolerance=1e-9):
    model = LogisticRegression(C=strength, tol=tolerance, max_iter=20_000).fit(features, labels)
    if len(model.coef_) > 1:
        return model.coef_, model.intercept_
    return np.vstack([-model.coef_, model.coef_]) / 2, np.append(-model.intercept_, model.intercept_) / 2


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
def test_it_comes_closer_to_the_least_objective_than_a_thousandth(strength, classes):
    features, labels = correlated(classes=classes)
    found = LogisticClassifier(lambda features, labels: strength).fit(features, labels)
    least = objective(*of_scikit_learn(features, labels, strength), features, labels, strength)
    reached = objective(found.coef_, found.intercept_, features, labels, strength)
    assert -1e-6 < reached - least < 1e-3
    best = of_scikit_learn(features, labels, strength)
    differing = (features @ best[0].T + best[1]).argmax(1) != found.predict(features)
    assert differing.mean() < 0.02


def test_axes_that_are_left_out_cost_less_than_is_allowed(monkeypatch):
    features, labels = correlated()
    monkeypatch.setattr(logistic, "GRADIENT", 1e-6)
    monkeypatch.setattr(logistic, "GAIN", 0.0)
    columns, reached = Columns.of(principal_basis(features)), []
    for left in (0.0, 1e-4):
        monkeypatch.setattr(logistic, "MAX_LOSS_LEFT", left)
        weights = fit_weights(columns, labels, 1e-3, np.zeros((4, len(columns.squares))))
        penalty = (weights[:, 1:] ** 2).sum() / (2e-3 * len(labels))
        reached.append(log_loss(weights, columns, labels) / len(labels) + penalty)
    assert not weights[:, -1].any(), "the last axis is left out"
    assert -1e-6 < reached[1] - reached[0] < 1e-4


def test_more_dimensions_than_tiles():
    features, labels = correlated(count=30, columns=90)
    found = LogisticClassifier(lambda features, labels: 0.1).fit(features, labels)
    least = objective(*of_scikit_learn(features, labels, 0.1), features, labels, 0.1)
    assert objective(found.coef_, found.intercept_, features, labels, 0.1) - least < 1e-3


def test_probabilities_of_the_labels_themselves():
    features, labels = correlated(classes=3)
    found = LogisticClassifier(lambda features, labels: 1.0).fit(features, labels * 5)
    np.testing.assert_allclose(found.predict_proba(features).sum(1), 1)
    np.testing.assert_array_equal(found.classes_[found.predict_proba(features).argmax(1)], found.predict(features))
    assert found.classes_.tolist() == [0, 5, 10]


@pytest.mark.parametrize(("count", "columns"), [(60, 9), (12, 30), (4, 3)])
def test_ridge_regression_is_that_of_scikit_learn(count, columns):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(count, columns)) + 2
    targets = features[:, :2] + rng.normal(size=(count, 2))
    own, other = ridge_regressor().fit(features, targets), RidgeCV(alphas=PENALTIES).fit(features, targets)
    assert own.alpha_ == other.alpha_
    np.testing.assert_allclose(own.predict(features), other.predict(features), atol=1e-8)
