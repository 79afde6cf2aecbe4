"""The magnet loss against a slow loop, and in degenerate cases."""

import math

import pytest
import torch
from losses_for_tests import magnet_gradient, normal, squared

from losses import MagNetLoss


def slow_magnet(embeddings, clusters, classes, margin, around_batch_mean=False):
    """Terms of the magnet loss; `around_batch_mean` measures the variance around the wrong mean."""
    n, dimensions = embeddings.shape
    members = {}
    for i in range(n):
        members.setdefault(int(clusters[i]), []).append(i)
    means = {m: [sum(float(embeddings[i, j]) for i in rows) / len(rows) for j in range(dimensions)]
             for m, rows in members.items()}  # fmt: skip
    batch_mean = [sum(float(embeddings[i, j]) for i in range(n)) / n for j in range(dimensions)]
    spread = sum(squared(embeddings[i], batch_mean if around_batch_mean else means[int(clusters[i])]) for i in range(n))
    variance = max(spread / max(n - 1, 1), 1e-12)
    terms = []
    for i in range(n):
        own = int(clusters[i])
        total = sum(math.exp(-squared(embeddings[i], means[m]) / (2 * variance))
                    for m in means if classes[m] != classes[own])  # fmt: skip
        value = squared(embeddings[i], means[own]) / (2 * variance) + margin + math.log(total) if total else 0.0
        terms.append(max(0.0, value))
    return terms


@pytest.mark.parametrize("classes", [None, [0, 1, 0, 2]])
def test_magnet_equals_a_slow_loop(classes):
    clusters = torch.tensor([0, 1, 2, 3] * 4 + [2, 0])
    embeddings = normal(4, 3, seed=4)[clusters] + normal(18, 3, seed=3)
    expected = slow_magnet(embeddings, clusters, classes or range(4), 0.5)
    found = MagNetLoss(0.5).terms(embeddings, clusters, None if classes is None else torch.tensor(classes))
    assert found.tolist() == pytest.approx(expected, abs=1e-10)
    assert 0 < sum(value == 0 for value in expected) < 18


def test_magnet_takes_unequal_clusters_and_ignores_those_without_a_tile():
    embeddings, clusters = normal(7, 4, seed=5), torch.tensor([5, 0, 5, 5, 2, 0, 5])
    expected = slow_magnet(embeddings, clusters, range(6), 1.0)
    assert MagNetLoss(1.0).terms(embeddings, clusters).tolist() == pytest.approx(expected, abs=1e-10)
    classes = torch.tensor([3, 7, 1, 9, 9, 1])  # clusters 1, 3 and 4, classes 7 and 9, have no tile
    expected = slow_magnet(embeddings, clusters, classes.tolist(), 1.0)
    assert MagNetLoss(1.0).terms(embeddings, clusters, classes).tolist() == pytest.approx(expected, abs=1e-10)


def test_magnet_falls_to_zero_as_clusters_separate():
    clusters = torch.arange(4).repeat_interleave(6)
    centres, noise = normal(4, 8, seed=6), normal(24, 8, seed=7)
    values, wrong = [], []
    for spread in (1.0, 0.3, 0.1, 0.01):
        embeddings = centres[clusters] + spread * noise
        values.append(MagNetLoss(0.5)(embeddings, clusters).item())
        wrong.append(sum(slow_magnet(embeddings, clusters, range(4), 0.5, around_batch_mean=True)) / 24)
    assert values[0] > 0.1
    assert values[-1] == 0
    assert min(wrong) > 0.1  # which is why the variance is not taken around the batch's mean


@pytest.mark.parametrize("classes", [None, torch.tensor([0, 1, 0])])
def test_gradients_of_magnet_equal_numerical_ones(classes):
    embeddings, clusters = normal(9, 3, seed=9).requires_grad_(), torch.tensor([0, 1, 2] * 3)
    loss = MagNetLoss(0.5)
    assert (loss.terms(embeddings, clusters, classes) > 0.01).any()
    assert torch.autograd.gradcheck(lambda x: loss(x, clusters, classes), [embeddings])


@pytest.mark.parametrize("scale", [1e4, 1.0, 1e-4, 1e-8, 1e-20, 0.0])
def test_magnet_at_any_scale(scale):
    embeddings = scale * normal(12, 64, seed=12, dtype=torch.float32)
    for classes in (None, torch.tensor([0, 0, 1, 2]), torch.zeros(4, dtype=torch.long)):
        magnet_gradient(MagNetLoss(0.5), embeddings, torch.tensor([0, 1, 2, 3] * 3), classes)


def test_magnet_of_identical_embeddings_counts_the_impostors():
    value, gradient = magnet_gradient(MagNetLoss(0.5), torch.ones(12, 4), torch.tensor([0, 1, 2, 3] * 3))
    assert value.item() == pytest.approx(0.5 + math.log(3))
    assert (gradient == 0).all()


@pytest.mark.parametrize(
    ("clusters", "classes"),
    [
        ([0] * 6, None),
        ([3] * 6, None),
        ([0, 1, 2, 0, 1, 2], [4, 4, 4]),
        ([0, 0, 0, 2, 2, 2], [1, 0, 1]),
    ],
    ids=["one cluster", "one cluster, not the first", "one class", "other class has no tile"],
)
def test_magnet_without_another_class_is_zero(clusters, classes):
    classes = None if classes is None else torch.tensor(classes)
    value, gradient = magnet_gradient(MagNetLoss(0.5), normal(6, 4, seed=13), torch.tensor(clusters), classes)
    assert value == 0
    assert (gradient == 0).all()


def test_magnet_of_one_tile_per_cluster_and_of_one_tile():
    value, gradient = magnet_gradient(MagNetLoss(0.5), normal(3, 4, seed=14), torch.tensor([0, 1, 2]))
    assert value == 0  # points without spread, far from each other
    assert (gradient == 0).all()
    value, _ = magnet_gradient(MagNetLoss(0.5), torch.zeros(3, 4), torch.tensor([0, 1, 2]))
    assert value.item() == pytest.approx(0.5 + math.log(2))
    value, _ = magnet_gradient(MagNetLoss(0.5), normal(1, 4), torch.tensor([0]))
    assert value == 0
