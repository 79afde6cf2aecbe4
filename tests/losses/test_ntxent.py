"""NT-Xent: each positive pair against all negatives of its anchor, by a slow loop."""

import math

import pytest
import torch
from pairs_for_tests import random_masks, some_embeddings
from pytorch_metric_learning.reducers import DoNothingReducer

from losses.library import LibraryLoss
from losses.ntxent import NTXentLoss
from mining.library import all_pairs


def slow_terms(embeddings, positive, negative, temperature):
    """The loss of each positive pair, pair by pair and negative by negative, in double precision."""
    unit = torch.nn.functional.normalize(embeddings.detach().double())
    cosines, terms = (unit @ unit.T / temperature).tolist(), []
    for anchor, other in torch.nonzero(positive).tolist():
        against = [math.exp(cosines[anchor][n] - cosines[anchor][other]) for n in torch.nonzero(negative[anchor])]
        terms.append(math.log1p(sum(against)))
    return torch.tensor(terms, dtype=torch.float32)


@pytest.mark.parametrize("temperature", [0.07, 1, 100])
def test_ntxent_equals_a_slow_loop(temperature):
    embeddings, (positive, negative) = some_embeddings(24, 3), random_masks(24, 3)
    for mask in (positive, negative):
        mask.fill_diagonal_(False)  # no tile is a pair with itself
    scored = LibraryLoss("ntxentloss", {"temperature": temperature})(embeddings, all_pairs(positive, negative))
    expected = slow_terms(embeddings, positive, negative, temperature)
    torch.testing.assert_close(scored.terms, expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(scored.tiles[:, :2], torch.nonzero(positive))


def test_a_low_temperature_overflows_nothing():
    embeddings, masks = some_embeddings(24, 3), random_masks(24, 3)
    scored = LibraryLoss("ntxentloss", {"temperature": 1e-4})(embeddings, all_pairs(*masks))
    scored.loss.backward()
    assert scored.terms.isfinite().all() and scored.terms.max() > 1000
    assert embeddings.grad.isfinite().all() and embeddings.grad.any()


@pytest.mark.parametrize("anchors", [[2], list(range(24))])
def test_an_anchor_without_negatives_has_no_loss_and_teaches_nothing(anchors):
    embeddings, (positive, negative) = some_embeddings(24, 3), random_masks(24, 3)
    negative[anchors] = False
    a1, p = torch.where(positive)
    terms = NTXentLoss(reducer=DoNothingReducer())(embeddings, indices_tuple=(a1, p, *torch.where(negative)))
    losses = terms["loss"]["losses"]
    without = torch.isin(a1, torch.tensor(anchors))
    assert without.any() and not losses[without].any()
    losses[without].sum().backward()
    assert torch.equal(embeddings.grad, torch.zeros_like(embeddings))
