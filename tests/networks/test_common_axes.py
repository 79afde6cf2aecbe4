"""The minimum noise fraction transform of the features of near tiles."""

import numpy as np
import pytest
import scipy.linalg
import torch
from near_pairs_for_tests import pairs_of_signals

from networks.common_axes import MAX_SHARE, RIDGE, common_axes, number_of_pairs, standardised


def test_axes_are_those_of_the_generalised_eigenvalue_problem():
    both, _, _ = standardised(*pairs_of_signals())
    anchors, positives = both.numpy().reshape(2, -1, 7)
    variances, common = np.zeros((7, 7)), np.zeros((7, 7))
    for anchor, positive in zip(anchors, positives):  # the slow and obvious way
        variances += (np.outer(anchor, anchor) + np.outer(positive, positive)) / (2 * len(anchors))
        common += (np.outer(anchor, positive) + np.outer(positive, anchor)) / (2 * len(anchors))
    shares, expected = scipy.linalg.eigh(common, variances + RIDGE * np.eye(7))
    shares, expected = shares[::-1].clip(0, MAX_SHARE), expected[:, ::-1]
    found = common_axes(both, 99).numpy()
    for k in range(7):
        axis = expected[:, k] * np.sign(expected[np.abs(expected[:, k]).argmax(), k])
        np.testing.assert_allclose(found[:, k], axis * np.sqrt(shares[k] / (1 - shares[k])), atol=1e-6)
    np.testing.assert_array_equal(common_axes(both, 4), found[:, :4])


def test_features_of_pairs_are_standardised_together():
    anchors, positives = pairs_of_signals()
    anchors[:, 2] = positives[:, 2] = 7.25
    both, mean, deviation = standardised(anchors, positives)
    rows = np.concatenate([anchors, positives]).astype(float)
    np.testing.assert_allclose(mean, rows.mean(0))
    np.testing.assert_allclose(both * deviation + mean, rows, atol=1e-6)
    assert deviation[2] == 1 and (both[:, 2] == 0).all()
    np.testing.assert_allclose(np.delete(both.std(0, correction=0), 2), 1)


def test_signals_weigh_more_than_noise():
    both, _, _ = standardised(*pairs_of_signals())
    deviations = (both @ common_axes(both, 7)).std(0)
    assert deviations[:3].min() > 4 > 0.5 > deviations[3:].max()


def test_pairs_the_other_way_round_have_the_same_axes():
    anchors, positives = pairs_of_signals()
    one, other = (common_axes(standardised(*pairs)[0], 3) for pairs in ((anchors, positives), (positives, anchors)))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    "anchors, positives",
    [
        (torch.zeros(30, 9), torch.zeros(30, 9)),
        (torch.randn(300, 9), torch.randn(300, 9)),
        (torch.ones(1, 9), -torch.ones(1, 9)),
        (torch.randn(4, 400), torch.randn(4, 400)),
        (torch.eye(9), torch.eye(9)),
    ],
    ids=["nothing varies", "nothing in common", "one pair", "more features than pairs", "equal tiles"],
)
def test_axes_of_few_or_odd_pairs_are_finite(anchors, positives):
    axes = common_axes(standardised(anchors, positives)[0], 256)
    assert axes.shape == (anchors.shape[1], min(256, anchors.shape[1])) and axes.isfinite().all()


def test_pairs_are_as_many_as_the_features_need():
    assert [number_of_pairs(features) for features in (1, 20, 1024, 1060)] == [8, 160, 8192, 8192]
