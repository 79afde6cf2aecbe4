"""Linear models: the strength that cross-validation chooses, against a slow loop, and classes too rare for folds."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge

from evaluation.linear import (
    DEFAULT_STRENGTH,
    FOLDS,
    MAX_CHOICE_TILES,
    PENALTIES,
    STRENGTHS,
    LogisticClassifier,
    choose_strength,
    deal_folds,
    logistic_classifier,
    ridge_regressor,
)
from evaluation.models import CLASSIFIERS, fit_predict, fit_predict_votes

pytestmark = pytest.mark.filterwarnings("error")


def noisy(count, columns=6, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, columns))
    scores = features[:, :classes] + rng.gumbel(size=(count, classes))
    return features.astype(np.float32), scores.argmax(1)


def loss_of(strength, features, labels):
    """Mean log loss of the tiles that are left out, one model after the other, each from nothing."""
    folds, losses = deal_folds(labels), []
    for fold in range(FOLDS):
        kept = folds != fold
        model = LogisticRegression(C=strength, tol=1e-6, max_iter=5000).fit(features[kept], labels[kept])
        for row, label in zip(features[~kept], labels[~kept]):
            losses.append(-np.log(model.predict_proba(row[None])[0][list(model.classes_).index(label)]))
    return np.mean(losses)


@pytest.mark.parametrize("seed", range(3))
def test_the_strength_has_the_least_loss_in_the_folds(seed):
    features, labels = noisy(60, seed=seed)
    losses = [loss_of(strength, features, labels) for strength in STRENGTHS]
    assert choose_strength(features, labels) == STRENGTHS[int(np.argmin(losses))]


def test_folds_deal_out_every_class():
    labels = np.random.default_rng(0).permutation([0] * 7 + [4] * 5 + [9])
    folds = deal_folds(labels)
    counts = np.array([[np.sum((labels == label) & (folds == fold)) for fold in range(FOLDS)] for label in (0, 4, 9)])
    assert (np.ptp(counts, axis=1) <= 1).all()
    assert np.ptp(np.bincount(folds)) <= 1


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 0, 1], [0, 1, 2, 3], [0, 0, 1, 1], [0, 0, 1, 1, 2], [5, 5, 5, 7, 7]])
def test_rare_classes(labels):
    features = np.random.default_rng(0).normal(size=(len(labels), 3)).astype(np.float32)
    votes = fit_predict_votes(CLASSIFIERS["linear"](0, 1), features, np.array(labels), features, 8)
    np.testing.assert_allclose(votes.sum(1), 1)
    assert set(np.flatnonzero(votes.any(0))) == set(labels)


def test_nothing_to_cross_validate():
    features, _ = noisy(5)
    assert choose_strength(features, np.array([0, 0, 0, 0, 1])) == DEFAULT_STRENGTH


def test_equal_features():
    labels = np.arange(30) % 3
    assert fit_predict(CLASSIFIERS["linear"](0, 1), np.ones((30, 4)), labels, np.ones((2, 4))).shape == (2,)


def test_only_the_first_tiles_decide_the_strength():
    features, labels = noisy(MAX_CHOICE_TILES + 50)
    changed = np.concatenate([labels[:MAX_CHOICE_TILES], np.arange(50) % 3])
    strengths = [logistic_classifier().fit(features, each).C for each in (labels, changed)]
    assert strengths[0] == strengths[1] == choose_strength(features[:MAX_CHOICE_TILES], labels[:MAX_CHOICE_TILES])
    assert isinstance(logistic_classifier(), LogisticClassifier)


def test_the_penalty_has_the_least_error_of_tiles_left_out():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(25, 8))
    targets = features[:, :2] + rng.normal(size=(25, 2))
    errors = []
    for penalty in PENALTIES:
        left_out = [np.delete(np.arange(25), i) for i in range(25)]
        predicted = [
            Ridge(penalty).fit(features[k], targets[k]).predict(features[i][None]) for i, k in enumerate(left_out)
        ]
        errors.append(np.mean((np.concatenate(predicted) - targets) ** 2))
    assert ridge_regressor().fit(features, targets).alpha_ == PENALTIES[int(np.argmin(errors))]


def test_all_draws_of_a_feature_set_have_the_strength_that_was_chosen_on_the_first(monkeypatch):
    """Another feature set chooses anew."""
    chosen = iter([0.01, 10.0])
    monkeypatch.setattr("evaluation.linear.choose_strength", lambda features, labels: next(chosen))
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(40, 3)), np.arange(40) % 2
    for expected in (0.01, 10.0):
        model = CLASSIFIERS["linear"](0, 1)
        draws = [clone(model).fit(features[i:], labels[i:]) for i in range(3)]
        assert [draw.steps[-1][1].fitted_.C for draw in draws] == [expected] * 3
