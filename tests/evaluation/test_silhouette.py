"""gSil and the summed error against slow loops written from their definitions, and in degenerate cases."""

import math

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from evaluation import gsil, neighbours, sum_error
from evaluation.proportions import normalised
from evaluation.silhouette import total_weights


def slow_gsil(embeddings, proportions):
    """Every tile, every class, every pair of classes, every other tile."""
    embeddings = np.asarray(embeddings, dtype=float)
    proportions = np.asarray(proportions, dtype=float)
    tiles = [j for j in range(len(proportions)) if proportions[j].any()]
    classes = range(proportions.shape[1])
    scores = []
    for j in tiles:
        others = [k for k in tiles if k != j]

        def mean_distance(weights, j=j, others=others):
            total = sum(weights)
            if total == 0:
                return None
            return sum(w * math.dist(embeddings[j], embeddings[k]) for w, k in zip(weights, others)) / total

        u = proportions
        a = [mean_distance([min(u[j, r], u[k, r]) for k in others]) for r in classes]
        b = [
            mean_distance([max(min(u[j, r], u[k, s]), min(u[j, s], u[k, r])) for k in others])
            for r in classes
            for s in classes
            if r < s
        ]
        a, b = ([value for value in values if value is not None] for values in (a, b))
        if b:
            scored = a and max(min(a), min(b)) > 0
            scores.append((min(b) - min(a)) / max(min(a), min(b)) if scored else 0.0)
    return float(np.mean(scores)) if scores else math.nan


def random_tiles(seed, count=25, classes=4, share_held=0.5):
    rng = np.random.default_rng(seed)
    proportions = rng.dirichlet(np.ones(classes), count) * (rng.random((count, classes)) < share_held)
    proportions /= np.maximum(proportions.sum(axis=1, keepdims=True), 1e-9)
    return rng.normal(size=(count, 3)) + 2 * proportions[:, :3], proportions


@pytest.fixture(params=[4_000_000, 100])
def chunk_size(request, monkeypatch):
    monkeypatch.setattr(neighbours, "TABLE_ELEMENTS", request.param)


@pytest.mark.usefixtures("chunk_size")
@pytest.mark.parametrize("share_held", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_gsil_equals_the_slow_loop(seed, share_held):
    embeddings, proportions = random_tiles(seed, share_held=share_held)
    assert gsil(embeddings, proportions) == pytest.approx(slow_gsil(embeddings, proportions), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_gsil_with_equal_shares(seed):
    """Shares that tie within and across classes, equal embeddings, classes nobody holds."""
    rng = np.random.default_rng(seed)
    proportions = rng.multinomial(4, [0.4, 0.3, 0.2, 0.1, 0], 25) / 4
    embeddings = rng.integers(0, 2, (25, 2)).astype(np.float32)
    assert gsil(embeddings, proportions) == pytest.approx(slow_gsil(embeddings, proportions), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e-3])
def test_gsil_with_traces_of_a_class(scale):
    """The weights of a trace are far below the float noise of whole shares summed, but they count in full."""
    embeddings, proportions = random_tiles(0)
    proportions[3:9, 0] *= scale
    proportions[:, 3] *= scale
    assert gsil(embeddings, proportions) == pytest.approx(slow_gsil(embeddings, proportions), abs=1e-8)


def test_gsil_in_float32():
    embeddings, proportions = (table.astype(np.float32) for table in random_tiles(0))
    value = gsil(embeddings, proportions)
    assert isinstance(value, float)
    assert value == pytest.approx(slow_gsil(embeddings, proportions), abs=1e-12)


@pytest.mark.parametrize("counts", [[20, 15, 10], [20, 1, 1, 9], [2, 2]])
def test_crisp_gsil_equals_the_silhouette(counts):
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    embeddings = rng.normal(size=(len(labels), 4)) + labels[:, None]
    crisp = np.eye(len(counts) + 1)[labels]  # and one class that no tile holds
    assert gsil(embeddings, crisp) == pytest.approx(silhouette_score(embeddings, labels), abs=1e-12)


def test_unlabelled_tiles_leave_gsil():
    embeddings, proportions = random_tiles(1)
    proportions[::3] = 0
    kept = proportions.any(axis=1)
    assert kept.sum() < 20
    assert gsil(embeddings, proportions) == pytest.approx(gsil(embeddings[kept], proportions[kept]), abs=1e-12)


def test_tiles_without_a_pair_of_classes_leave_the_mean():
    proportions = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0.5, 0.5, 0]])
    embeddings = np.array([[0.0], [1.0], [2.0], [5.0]])
    assert gsil(embeddings, proportions) == pytest.approx(slow_gsil(embeddings, proportions), abs=1e-12)
    assert math.isnan(gsil(embeddings[:3], proportions[:3]))  # one class
    assert gsil(embeddings[2:], np.eye(3)[:2]) == 0  # each alone with its class: a is undefined


@pytest.mark.filterwarnings("error")
def test_degenerate_gsil():
    _, proportions = random_tiles(2)
    assert gsil(np.ones((25, 3)), proportions) == 0  # all embeddings equal
    assert math.isnan(gsil(np.ones((25, 3)), np.zeros((25, 4))))
    assert math.isnan(gsil(np.ones((25, 3)), np.ones((25, 1))))
    assert math.isnan(gsil(np.ones((1, 3)), np.ones((1, 4)) / 4))
    assert math.isnan(gsil(np.empty((0, 3)), np.empty((0, 4))))


def test_separated_classes_score_near_one():
    labels = np.arange(30) % 3
    assert gsil(np.eye(3)[labels] + np.arange(30)[:, None] * 1e-6, np.eye(3)[labels]) > 0.99


def test_sum_error_equals_the_slow_loop():
    rng = np.random.default_rng(0)
    predicted, truth = rng.normal(0.3, 0.5, (40, 3)), rng.dirichlet(np.ones(3), 40)
    predicted[5] = [-1, 0, -2]
    truth[[7, 9]] = 0
    errors = []
    for p, q in zip(predicted, truth):
        p = [min(max(value, 0), 1) for value in p]
        p = [value / sum(p) for value in p] if sum(p) else [1 / 3] * 3
        if any(q):
            errors.append(sum(abs(a - b) for a, b in zip(p, q)))
    assert len(errors) == 38
    assert sum_error(predicted, truth) == pytest.approx(np.mean(errors), abs=1e-12)
    assert sum_error(predicted.astype(np.float32), truth) == pytest.approx(np.mean(errors), abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_sum_error_at_its_ends():
    assert sum_error(np.eye(3), np.eye(3)) == 0
    assert sum_error(np.eye(3), np.eye(3)[[1, 2, 0]]) == 2
    assert sum_error(np.zeros((3, 4)), np.eye(4)[:3]) == pytest.approx(1.5)
    assert math.isnan(sum_error(np.eye(3), np.zeros((3, 3))))
    assert math.isnan(sum_error(np.full((1, 3), np.nan), np.eye(3)[:1]))  # a failed model does not pass for a guess


def test_clipping_comes_before_normalising():
    np.testing.assert_allclose(normalised(np.array([[3.0, 1.0, -2.0]])), [[0.5, 0.5, 0]])


def test_a_class_of_one_tile_gives_no_mean():
    """What a lone holder shares with itself must leave no float noise, or a would be 0/noise instead of undefined."""
    proportions = np.array([[0.3, 0.7, 0], [0.3, 0, 0.7], [0.1, 0, 0.9], [0, 0, 1 / 3]])
    embeddings = np.array([[0.0], [0.1], [0.7], [2.0]])
    weights = total_weights(proportions)
    assert weights[0, 1, 1] == 0 == weights[3, 0, 1] == weights[1, 1, 1]
    assert weights[0, 1, 2] > 0.7
    assert gsil(embeddings, proportions) == pytest.approx(slow_gsil(embeddings, proportions), abs=1e-12)
