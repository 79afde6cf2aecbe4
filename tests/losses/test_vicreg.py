"""VICReg against a slow loop, and in degenerate cases."""

import math

import pytest
import torch
from losses_for_tests import gradients, normal, squared

from losses import VICRegLoss


def slow_vicreg(a, p, invariance, variance, covariance):
    """Terms of VICReg, number by number."""
    n, dimensions = len(a), len(a[0])

    def moments(rows, i, j):
        means = [sum(float(row[k]) for row in rows) / n for k in (i, j)]
        return sum((float(row[i]) - means[0]) * (float(row[j]) - means[1]) for row in rows) / (n - 1)

    def statistics(rows):
        spread = sum(max(0.0, 1 - math.sqrt(moments(rows, d, d) + 1e-4)) for d in range(dimensions)) / dimensions
        pairs = [(i, j) for i in range(dimensions) for j in range(dimensions) if i != j]
        return spread, sum(moments(rows, i, j) ** 2 for i, j in pairs) / dimensions

    (v1, c1), (v2, c2) = statistics(a), statistics(p)
    shared = variance * (v1 + v2) / 2 + covariance * (c1 + c2) / 2
    return [invariance * squared(x, y) / dimensions + shared for x, y in zip(a, p)]


@pytest.mark.parametrize("weights", [(25, 25, 1), (1, 0.5, 3)])
def test_vicreg_equals_a_slow_loop(weights):
    a, p = 0.7 * normal(6, 4), 1.4 * normal(6, 4, seed=1)
    terms = VICRegLoss(*weights).terms(a, p)
    torch.testing.assert_close(terms, torch.tensor(slow_vicreg(a, p, *weights), dtype=torch.float64))
    value, slopes = gradients(VICRegLoss(*weights), a, p)
    assert value == pytest.approx(float(terms.mean())) and all(slope.abs().sum() > 0 for slope in slopes)


def test_vicreg_of_equal_embeddings_and_of_perfect_ones():
    same = torch.ones(5, 3, dtype=torch.float64)
    value, _ = gradients(VICRegLoss(), same, same)
    assert value == pytest.approx(25 * (1 - math.sqrt(1e-4))), "a collapsed embedding pays the whole variance term"
    corners = 2 * torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    value, slopes = gradients(VICRegLoss(), corners, corners)
    assert value == 0 and not slopes[0].any(), "equal pairs, deviations over 1, no correlation"


def test_vicreg_refuses_what_has_no_statistics():
    with pytest.raises(ValueError, match="at least two pairs"):
        VICRegLoss().terms(normal(1, 3), normal(1, 3))
    with pytest.raises(ValueError, match="'covariance' parameter of VICRegLoss must be > 0"):
        VICRegLoss(covariance=0)
