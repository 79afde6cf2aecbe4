"""What all losses share: distances, number formats, empty batches, names, and what they refuse."""

import math

import pytest
import torch
from losses_for_tests import gradients, magnet_gradient, normal, squared

from losses import LOSSES, MagNetLoss, QuadrupletLoss, SoftContrastLoss, TripletLoss, VICRegLoss
from losses.distances import euclidean_distances, pairwise_squared_distances, squared_distances


def test_the_names_lead_to_the_losses():
    assert list(LOSSES) == ["tripletloss", "quadrupletloss", "magnetloss", "vicregloss", "softcontrastloss"]
    assert list(LOSSES.values()) == [TripletLoss, QuadrupletLoss, MagNetLoss, VICRegLoss, SoftContrastLoss]
    assert QuadrupletLoss(0.8).margin2 == 0.4


def test_an_empty_batch_is_zero_and_has_a_gradient():
    empty, no_clusters = torch.empty(0, 4), torch.empty(0, dtype=torch.long)
    for alt_loss in (False, True):
        assert gradients(TripletLoss(0.5, alt_loss), empty, empty, empty)[0] == 0
        assert gradients(QuadrupletLoss(0.5, None, alt_loss), empty, empty, empty, empty)[0] == 0
    assert magnet_gradient(MagNetLoss(0.5), empty, no_clusters)[0] == 0
    assert magnet_gradient(MagNetLoss(0.5), empty, no_clusters, torch.tensor([0, 1]))[0] == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened_before_the_maths(dtype):
    tuples, clusters = normal(4, 12, 64, seed=15).to(dtype), torch.arange(3).repeat(4)
    for loss, inputs in [
        (TripletLoss(0.5), tuples[:3]), (TripletLoss(0.5, True), tuples[:3]), (QuadrupletLoss(0.5), tuples),
    ]:  # fmt: skip
        assert torch.equal(loss.terms(*inputs), loss.terms(*inputs.float()))
    assert torch.equal(MagNetLoss(9.0).terms(tuples[0], clusters), MagNetLoss(9.0).terms(tuples[0].float(), clusters))
    assert QuadrupletLoss(0.5)(*tuples).dtype == torch.float32
    magnet_gradient(MagNetLoss(0.5), tuples[0], clusters)


def test_autocast_changes_nothing():
    tuples, clusters = normal(4, 12, 64, seed=16, dtype=torch.float32), torch.arange(3).repeat(4)
    losses = [TripletLoss(0.5), TripletLoss(0.5, True), QuadrupletLoss(0.5), QuadrupletLoss(0.5, None, True)]
    inputs = [tuples[:3], tuples[:3], tuples, tuples]
    plain = [loss.terms(*x) for loss, x in zip(losses, inputs)] + [MagNetLoss(9.0).terms(tuples[0], clusters)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = [loss.terms(*x) for loss, x in zip(losses, inputs)] + [MagNetLoss(9.0).terms(tuples[0], clusters)]
    assert all(torch.equal(a, b) for a, b in zip(plain, cast))


def test_float64_stays_float64():
    tuples = normal(4, 6, 3, seed=17)
    assert TripletLoss(0.5)(*tuples[:3]).dtype == torch.float64
    assert QuadrupletLoss(0.5, None, True)(*tuples).dtype == torch.float64
    assert MagNetLoss(0.5)(tuples[0], torch.arange(6) % 2).dtype == torch.float64


def test_pairwise_distances_equal_a_slow_loop_and_are_exact_where_rows_are_equal():
    x, y = normal(30, 6, seed=18), normal(9, 6, seed=19)
    assert pairwise_squared_distances(x, y).flatten().tolist() == pytest.approx([squared(a, b) for a in x for b in y])
    far = torch.cat([x, x]).float() + 1000  # many rows and large values: where the faster formula cancels
    distances = pairwise_squared_distances(far)
    assert torch.equal(distances[:30, 30:].diagonal(), torch.zeros(30))
    assert torch.equal(distances[:, :30], distances[:, 30:])
    assert torch.allclose(distances[0], squared_distances(far[:1], far), rtol=1e-5)
    assert pairwise_squared_distances(x.bfloat16()).dtype == torch.float32
    assert pairwise_squared_distances(torch.empty(0, 6)).shape == (0, 0)
    assert torch.allclose(euclidean_distances(x, x.flip(0)).square(), squared_distances(x, x.flip(0)))


@pytest.mark.parametrize("margin", [-1, 0, math.nan, math.inf])
def test_a_margin_that_is_not_positive_is_refused(margin):
    for name, loss in (("TripletLoss", TripletLoss), ("QuadrupletLoss", QuadrupletLoss), ("MagNetLoss", MagNetLoss)):
        with pytest.raises(ValueError, match=f"The 'margin' parameter of {name} must be > 0 .* Got {margin} instead"):
            loss(margin)
    with pytest.raises(ValueError, match="'margin2' parameter of QuadrupletLoss"):
        QuadrupletLoss(1.0, margin)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"one shape \(B, D\).*negative \(1, 4\)"):
        TripletLoss(0.5)(torch.ones(3, 4), torch.ones(3, 4), torch.ones(1, 4))
    with pytest.raises(ValueError, match=r"clusters \(n,\)"):
        MagNetLoss(0.5)(torch.ones(3, 4), torch.zeros(2, dtype=torch.long))
    for wrong in (-1, 2):
        with pytest.raises(ValueError, match=r"must be in 0..M-1, .* for M = 2 instead"):
            MagNetLoss(0.5)(torch.ones(2, 4), torch.tensor([0, wrong]), torch.tensor([0, 1]))
