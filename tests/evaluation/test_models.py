"""The simple models: seeded, and able to cope with pools of few tiles and few classes."""

import warnings

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from evaluation.models import CLASSIFIERS, REGRESSORS, fit_predict

NAMES = ["knn", "linear", "svc", "rfc", "mlp", "dt"]
pytestmark = pytest.mark.filterwarnings("error")


def blobs(count, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return rng.normal(size=(count, 4)) + 6 * np.eye(classes, 4)[labels], labels


def test_both_tasks_have_the_documented_models():
    assert list(CLASSIFIERS) == NAMES == list(REGRESSORS)


@pytest.mark.parametrize("name", NAMES)
def test_models_learn_and_repeat_themselves(name):
    features, labels = blobs(90)
    features *= [1, 1000, 1e-3, 1]  # the scaler's work
    unseen, truth = blobs(30, seed=1)
    unseen *= [1, 1000, 1e-3, 1]
    model = CLASSIFIERS[name](3, 1)
    assert isinstance(model, Pipeline)
    assert isinstance(model[0], StandardScaler)
    predicted = fit_predict(model, features, labels, unseen)
    assert np.mean(predicted == truth) > 0.9
    shares = fit_predict(REGRESSORS[name](3, 2), features, np.eye(3)[labels], unseen)
    assert shares.shape == (30, 3)
    assert np.mean(shares.argmax(axis=1) == truth) > 0.9
    np.testing.assert_array_equal(fit_predict(CLASSIFIERS[name](3, 2), features, labels, unseen), predicted)
    np.testing.assert_array_equal(fit_predict(REGRESSORS[name](3, 1), features, np.eye(3)[labels], unseen), shares)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 3, 20])
def test_one_class_to_fit_on(name, count):
    features, _ = blobs(count)
    unseen, _ = blobs(4, seed=1)
    assert fit_predict(CLASSIFIERS[name](0, 1), features, np.full(count, 7), unseen).tolist() == [7, 7, 7, 7]
    shares = fit_predict(REGRESSORS[name](0, 1), features, np.tile([0, 1.0], (count, 1)), unseen)
    assert shares.shape == (4, 2)
    assert np.isfinite(shares).all()
    if name != "mlp":  # which approaches the constant, and need not reach it
        np.testing.assert_allclose(shares, np.tile([0, 1.0], (4, 1)), atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_legend_of_one_class(name):
    features, _ = blobs(8)
    assert np.ravel(fit_predict(REGRESSORS[name](0, 1), features, np.ones((8, 1)), features)).shape == (8,)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [2, 4])
def test_fewer_tiles_than_neighbours(name, count):
    features, labels = blobs(count, classes=2)
    predicted = fit_predict(CLASSIFIERS[name](0, 1), features, labels, features[:1])
    assert predicted.shape == (1,)
    assert predicted[0] in labels
    assert fit_predict(REGRESSORS[name](0, 1), features, np.eye(2)[labels], features[:1]).shape == (1, 2)


def test_only_the_warning_of_unfinished_training_is_silenced():
    features, labels = blobs(30)
    unfinished = make_pipeline(StandardScaler(), MLPClassifier(max_iter=1, random_state=0))
    fit_predict(unfinished, features, labels, features)  # an error if it warned

    class Warns(MLPClassifier):
        def fit(self, features, labels):
            warnings.warn("something else", RuntimeWarning, stacklevel=1)
            return super().fit(features, labels)

    with pytest.raises(RuntimeWarning, match="something else"):
        fit_predict(make_pipeline(Warns()), features, labels, features)
