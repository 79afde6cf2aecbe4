"""Levels of features: as many tiles in each, in the order of the values, the same for tiles not fitted on."""

import numpy as np

from evaluation.levels import LEVELS, QuantileLevels
from evaluation.models import CLASSIFIERS, REGRESSORS


def test_levels_hold_equally_many_tiles_in_the_order_of_the_values():
    features = np.random.default_rng(0).normal(size=(640, 3)) ** 3
    levels = QuantileLevels().fit_transform(features)
    assert levels.dtype == np.float32
    for column, found in zip(features.T, levels.T):
        assert np.abs(np.bincount(found.astype(int), minlength=LEVELS) - 10).max() <= 1
        assert (np.diff(found[column.argsort()]) >= 0).all()


def test_few_values_stay_apart():
    features = np.random.default_rng(0).permutation(np.arange(60.0))[:, None] * [1, -2, 0]
    levels = QuantileLevels().fit(features).transform(features)
    assert [len(np.unique(column)) for column in levels.T] == [60, 60, 1]


def test_tiles_beyond_those_fitted_on():
    levels = QuantileLevels().fit(np.arange(200.0)[:, None])
    assert levels.transform(np.array([[-1e9], [1e9]])).tolist() == [[0], [LEVELS - 1]]


def test_forests_have_150_trees_without_a_limit_of_depth():
    for forest in (CLASSIFIERS["rfc"](0, 1)[-1].model[-1], REGRESSORS["rfc"](0, 1)[-1][-1]):
        assert (forest.n_estimators, forest.max_depth) == (150, None)
