"""The soft contrast and its readout against slow loops, and in degenerate cases."""

import math

import numpy as np
import pytest
import torch
from losses_for_tests import gradients, normal
from sklearn.linear_model import Ridge

from losses import SoftContrastLoss
from losses.readout import readout_errors


def slow_soft_contrast(embeddings, proportions, temperature, sharpness):
    """Terms of the soft contrast, number by number."""
    n = len(embeddings)
    terms = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        overlap = {j: sum(min(float(p), float(q)) for p, q in zip(proportions[i], proportions[j])) for j in others}
        total = sum(o**sharpness for o in overlap.values())
        lengths = [math.sqrt(sum(float(x) ** 2 for x in row)) for row in embeddings]
        cosine = {
            j: sum(float(x) * float(y) for x, y in zip(embeddings[i], embeddings[j])) / (lengths[i] * lengths[j])
            for j in others
        }
        sum_of_exponentials = sum(math.exp(c / temperature) for c in cosine.values())
        value = 0.0
        for j in others if total else []:
            weight, share = overlap[j] ** sharpness / total, math.exp(cosine[j] / temperature) / sum_of_exponentials
            value += weight * math.log(weight / share) if weight else 0.0
        terms.append(value)
    return terms


@pytest.mark.parametrize("temperature, sharpness", [(0.1, 4), (0.5, 1), (2, 0.5), (0.1, 100)])
def test_soft_contrast_equals_a_slow_loop(temperature, sharpness):
    shares = normal(8, 3, seed=2).square()
    shares[:2] = torch.tensor([1.0, 0, 0])
    proportions = shares / shares.sum(1, keepdim=True)
    loss, embeddings = SoftContrastLoss(temperature, sharpness), normal(8, 4)
    expected = slow_soft_contrast(embeddings, proportions, temperature, sharpness)
    assert loss.terms(embeddings, proportions).tolist() == pytest.approx(expected, abs=1e-9)
    _, (slope,) = gradients(lambda x: loss(x, proportions), embeddings)
    assert slope.abs().sum() > 0


def test_soft_contrast_of_two_classes_apart_is_almost_0_and_of_tiles_with_nothing_in_common_0():
    labels = torch.eye(2, dtype=torch.float64).repeat_interleave(4, 0)
    apart = torch.tensor([[1.0, 0], [-1, 0]], dtype=torch.float64).repeat_interleave(4, 0)
    value, _ = gradients(lambda x: SoftContrastLoss(0.1)(x, labels), apart)
    assert 0 <= value < 1e-6
    value, (slope,) = gradients(lambda x: SoftContrastLoss()(x, torch.eye(5, dtype=torch.float64)), normal(5, 4))
    assert value == 0 and not slope.any()
    collapsed, _ = gradients(lambda x: SoftContrastLoss(0.1)(x, labels), torch.ones(8, 3, dtype=torch.float64))
    assert collapsed == pytest.approx(math.log(7 / 3)), "all others get the same share, three of seven should"


def test_a_tile_learns_from_whatever_it_shares_with_others_however_sharp_the_contrast():
    proportions = torch.tensor([[0.7, 0.3, 0], [0.3, 0, 0.7], [0, 0.4, 0.6], [0, 1, 0]])
    embeddings = normal(4, 5, dtype=torch.float32)
    terms = SoftContrastLoss(sharpness=100).terms(embeddings, proportions)
    cosines = torch.nn.functional.cosine_similarity(embeddings[:, None], embeddings, dim=-1)
    log_shares = (cosines / 0.1).fill_diagonal_(-math.inf).log_softmax(1).nan_to_num(neginf=0)
    most = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]])  # 0.3 of all; 0.6; 0.6; 0.4
    expected = -(most * log_shares).sum(1) / most.sum(1) - most.sum(1).log()
    torch.testing.assert_close(terms, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tiles, dimensions", [(12, 4), (7, 9), (2, 3)])
def test_readout_errors_are_those_of_ridge_regression_on_the_other_half(tiles, dimensions):
    embeddings, shares = 3 + 5 * normal(tiles, dimensions), normal(tiles, 3, seed=1).square()
    targets = shares / shares.sum(1, keepdim=True)
    z = (embeddings - embeddings.mean(0)).numpy()
    z /= np.sqrt((z**2).sum(1).mean())
    halves = np.arange(tiles) < tiles // 2
    expected = np.empty(tiles)
    for half in (halves, ~halves):
        mean = targets[half].numpy().mean(0)
        ridge = Ridge(alpha=0.1, fit_intercept=False).fit(z[half], targets[half].numpy() - mean)
        predicted = ridge.predict(z[~half]).reshape(-1, 3) + mean
        expected[~half] = np.abs(predicted - targets[~half].numpy()).sum(1)
    errors = readout_errors(embeddings, targets)
    assert errors.numpy() == pytest.approx(expected, abs=3.1e-3), "but for the root of 1e-6 in each of three classes"
    _, (slope,) = gradients(lambda x: readout_errors(x, targets).mean(), embeddings)
    assert bool(slope.any()) == (tiles > 2), "of one tile a model only learns the mean"


def test_readout_of_collapsed_embeddings_is_finite_and_of_those_that_hold_the_targets_small():
    targets = torch.eye(3, dtype=torch.float64).repeat(6, 1)
    value, (slope,) = gradients(lambda x: readout_errors(x, targets).mean(), torch.ones(18, 4, dtype=torch.float64))
    assert value == pytest.approx(4 / 3, abs=0.01) and slope.isfinite().all(), "the mean misses by 2/3 + 1/3 + 1/3"
    assert readout_errors(torch.cat([targets, normal(18, 1)], 1)[:, :3], targets).max() < 0.1
    with pytest.raises(ValueError, match="at least two tiles"):
        readout_errors(torch.ones(1, 4), torch.ones(1, 3))


def test_soft_contrast_adds_the_weighted_readout():
    shares, embeddings = normal(8, 3, seed=2).square(), normal(8, 4)
    proportions = shares / shares.sum(1, keepdim=True)
    both = SoftContrastLoss(0.3, readout=2.5).terms(embeddings, proportions)
    alone, errors = SoftContrastLoss(0.3).terms(embeddings, proportions), readout_errors(embeddings, proportions)
    torch.testing.assert_close(both, alone + 2.5 * errors)
    with pytest.raises(ValueError, match=r"'readout' parameter of SoftContrastLoss must be >= 0 .* Got -1"):
        SoftContrastLoss(readout=-1)
