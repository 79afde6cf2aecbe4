"""The losses of triplets and quadruplets against slow loops, and in degenerate cases."""

import math

import pytest
import torch
from losses_for_tests import gradients, normal, squared

from losses import QuadrupletLoss, TripletLoss


def ratio(near, far):
    return 2 * (math.exp(near) / (math.exp(near) + math.exp(far))) ** 2


def slow_triplet(a, p, n, margin, alt_loss):
    if alt_loss:
        return ratio(math.sqrt(squared(a, p)), math.sqrt(squared(a, n)))
    return max(0.0, squared(a, p) - squared(a, n) + margin)


def slow_quadruplet(a, p, n1, n2, margin, margin2, alt_loss):
    near, far, between = squared(a, p), squared(a, n1), squared(n2, n1)
    if alt_loss:
        return ratio(math.sqrt(near), math.sqrt(far)) + ratio(math.sqrt(near), math.sqrt(between))
    return max(0.0, near - far + margin) + max(0.0, near - between + margin2)


@pytest.mark.parametrize("alt_loss", [False, True])
def test_triplet_equals_a_slow_loop(alt_loss):
    a, p, n = normal(3, 20, 5, seed=1) / 2
    expected = [slow_triplet(*rows, 0.5, alt_loss) for rows in zip(a, p, n)]
    loss = TripletLoss(0.5, alt_loss)
    assert loss.terms(a, p, n).tolist() == pytest.approx(expected, abs=1e-10)
    assert loss(a, p, n).item() == pytest.approx(sum(expected) / 20, abs=1e-10)
    assert alt_loss or 0 < sum(value == 0 for value in expected) < 20  # both sides of the hinge were met


@pytest.mark.parametrize("alt_loss", [False, True])
@pytest.mark.parametrize("margin2", [None, 1.5])
def test_quadruplet_equals_a_slow_loop(alt_loss, margin2):
    a, p, n1, n2 = normal(4, 20, 5, seed=2) / 2
    expected = [slow_quadruplet(*rows, 0.5, margin2 or 0.25, alt_loss) for rows in zip(a, p, n1, n2)]
    loss = QuadrupletLoss(0.5, margin2, alt_loss)
    assert loss.terms(a, p, n1, n2).tolist() == pytest.approx(expected, abs=1e-10)
    assert loss(a, p, n1, n2).item() == pytest.approx(sum(expected) / 20, abs=1e-10)


@pytest.mark.parametrize("alt_loss", [False, True])
def test_gradients_of_tuples_equal_numerical_ones(alt_loss):
    tuples = [x.clone().requires_grad_() for x in normal(4, 6, 3, seed=8)]
    assert torch.autograd.gradcheck(TripletLoss(0.5, alt_loss), tuples[:3])
    assert torch.autograd.gradcheck(QuadrupletLoss(0.5, None, alt_loss), tuples)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("alt_loss", [False, True])
def test_tuples_of_identical_embeddings(alt_loss, dtype):
    same = torch.ones(5, 4, dtype=dtype)
    value, slopes = gradients(TripletLoss(0.3, alt_loss), same, same, same)
    assert value.item() == pytest.approx(0.5 if alt_loss else 0.3)
    assert all((slope == 0).all() for slope in slopes)
    value, slopes = gradients(QuadrupletLoss(0.3, None, alt_loss), same, same, same, same)
    assert value.item() == pytest.approx(1.0 if alt_loss else 0.45)
    assert all((slope == 0).all() for slope in slopes)


@pytest.mark.parametrize("alt_loss", [False, True])
def test_one_zero_distance_leaves_the_other_distance_its_gradient(alt_loss):
    a, n = normal(2, 5, 4, seed=10) / 10
    _, (_, at_positive, at_negative) = gradients(TripletLoss(0.5, alt_loss), a, a, n)
    assert (at_positive == 0).all()
    assert (at_negative != 0).any(1).all()


@pytest.mark.parametrize("alt_loss", [False, True])
def test_tuples_of_huge_values(alt_loss):
    tuples = 1e4 * normal(4, 8, 64, seed=11, dtype=torch.float32)
    gradients(TripletLoss(0.5, alt_loss), *tuples[:3])
    gradients(QuadrupletLoss(0.5, None, alt_loss), *tuples)


def test_the_hinge_has_slope_zero_where_it_reaches_zero():
    a, p, n = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[2.0, 0.0]]])  # 1 - 4 + 3 = 0
    value, slopes = gradients(TripletLoss(3.0), a, p, n)
    assert value == 0
    assert all((slope == 0).all() for slope in slopes)
