"""MAP@R, multi-label MAP@k and graded MAP@R against slow loops, and the nearest neighbours that they go by."""

import math

import numpy as np
import pytest

import evaluation
from evaluation import (
    chance_graded_map_at_r,
    chance_map_at_r,
    chance_multilabel_map,
    graded_map_at_r,
    map_at_r,
    multilabel_map,
    neighbours,
)
from evaluation.neighbours import exact_nearest, nearest, quick_nearest
from evaluation.proportions import similarity


def ordered_neighbours(embeddings, i, among):
    """Other tiles in the order (squared distance, index)."""
    distances = {j: sum((float(a) - float(b)) ** 2 for a, b in zip(embeddings[i], embeddings[j])) for j in among}
    return sorted((j for j in among if j != i), key=lambda j: (distances[j], j))


def slow_map_at_r(embeddings, labels):
    among = [i for i, label in enumerate(labels) if label >= 0]
    scores = []
    for i in among:
        correct = [labels[j] == labels[i] for j in ordered_neighbours(embeddings, i, among)]
        r = sum(correct)
        if r:
            scores.append(sum(sum(correct[:k]) / k for k in range(1, r + 1) if correct[k - 1]) / r)
    return float(np.mean(scores)) if scores else math.nan


def slow_similarity(p, q):
    count = len(p)
    intra = sum(min(p[c], q[c]) for c in range(count)) / count
    inter = 0.0
    for c in range(count):
        for d in range(c + 1, count):
            inter += max(min(q[c], p[d]), min(q[d], p[c]))
    return max(0.0, 1 - inter * 2 / (count * (count - 1)) / intra) if intra > 0 else 0.0


def slow_multilabel_map(embeddings, proportions, k):
    among = [i for i, row in enumerate(proportions) if any(row > 0)]
    if len(among) < 2:
        return math.nan
    scores = []
    for i in among:
        nearest = ordered_neighbours(embeddings, i, among)[:k]
        scores.append(np.mean([slow_similarity(proportions[i], proportions[j]) for j in nearest]))
    return float(np.mean(scores))


def slow_graded_map_at_r(embeddings, proportions):
    def gain(relevance, r):
        return sum(relevance[k - 1] * sum(relevance[:k]) / k for k in range(1, r + 1))

    among = [i for i, row in enumerate(proportions) if any(row > 0)]
    scores = []
    for i in among:
        order = ordered_neighbours(embeddings, i, among)
        relevance = [sum(min(a, b) for a, b in zip(proportions[i], proportions[j])) for j in order]
        r = min(max(1, math.floor(sum(relevance) + 0.5 + 1e-9)), len(order))
        best = gain(sorted(relevance, reverse=True), r)
        if best > 0:
            scores.append(gain(relevance, r) / best)
    return float(np.mean(scores)) if scores else math.nan


def random_tiles(seed, count=40, classes=5, dtype=np.float64):
    """Embeddings on a coarse lattice, so that distances tie; proportions with zeros and unlabelled tiles; labels."""
    rng = np.random.default_rng(seed)
    embeddings = rng.integers(0, 3, (count, 3)).astype(dtype) / 2
    proportions = rng.dirichlet(np.ones(classes), count) * (rng.random((count, classes)) < 0.6)
    proportions /= np.maximum(proportions.sum(axis=1, keepdims=True), 1e-9)
    proportions[rng.random(count) < 0.1] = 0
    labels = np.where(proportions.any(axis=1), proportions.argmax(axis=1), -1)
    return embeddings, proportions.astype(dtype), labels


@pytest.fixture(params=[4_000_000, 90])
def chunk_size(request, monkeypatch):
    """All rows in one chunk, or few rows in each."""
    monkeypatch.setattr(neighbours, "TABLE_ELEMENTS", request.param)


@pytest.mark.usefixtures("chunk_size")
@pytest.mark.parametrize("seed", range(4))
def test_map_at_r_equals_the_slow_loop(seed):
    embeddings, _, labels = random_tiles(seed)
    assert map_at_r(embeddings, labels) == pytest.approx(slow_map_at_r(embeddings, labels), abs=1e-12)


@pytest.mark.usefixtures("chunk_size")
@pytest.mark.parametrize("k", [1, 5, 10, 1000])
@pytest.mark.parametrize("seed", range(2))
def test_multilabel_map_equals_the_slow_loop(seed, k):
    embeddings, proportions, _ = random_tiles(seed)
    expected = slow_multilabel_map(embeddings, proportions, k)
    assert 0.01 < expected < 0.99
    assert multilabel_map(embeddings, proportions, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.usefixtures("chunk_size")
@pytest.mark.parametrize("seed", range(4))
def test_graded_map_at_r_equals_the_slow_loop(seed):
    embeddings, proportions, _ = random_tiles(seed)
    expected = slow_graded_map_at_r(embeddings, proportions)
    assert graded_map_at_r(embeddings, proportions) == pytest.approx(expected, abs=1e-12)


def test_float32_is_computed_in_float64():
    embeddings, proportions, labels = random_tiles(7, dtype=np.float32)
    embeddings += np.random.default_rng(1).normal(size=embeddings.shape).astype(np.float32)
    assert map_at_r(embeddings, labels) == pytest.approx(slow_map_at_r(embeddings, labels), abs=1e-12)
    expected = slow_graded_map_at_r(embeddings, proportions.astype(float))
    assert graded_map_at_r(embeddings, proportions) == pytest.approx(expected, abs=1e-12)
    expected = slow_multilabel_map(embeddings, proportions.astype(float), 5)
    assert multilabel_map(embeddings, proportions, 5) == pytest.approx(expected, abs=1e-12)
    assert isinstance(map_at_r(embeddings, labels), float)


def test_similarity_equals_the_slow_loop():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.full(6, 0.4), (2, 200)) * (rng.random((2, 200, 6)) < 0.7)
    q[:50] = p[:50] + 0.02 * q[:50]
    expected = [slow_similarity(a, b) for a, b in zip(p, q)]
    assert np.count_nonzero(expected) > 50
    np.testing.assert_allclose(similarity(p, q), expected, atol=1e-12)


def test_crisp_graded_map_equals_map_at_r():
    embeddings, _, labels = random_tiles(3, count=80)
    crisp = np.eye(5)[labels] * (labels >= 0)[:, None]
    assert graded_map_at_r(embeddings, crisp) == pytest.approx(map_at_r(embeddings, labels), abs=1e-12)
    assert chance_graded_map_at_r(crisp) == pytest.approx(chance_map_at_r(labels), abs=1e-12)


def test_chance_multilabel_map_equals_the_slow_loop():
    _, proportions, _ = random_tiles(5)
    expected = slow_multilabel_map(np.zeros((40, 1)), proportions, 40)
    assert chance_multilabel_map(proportions) == pytest.approx(expected, abs=1e-12)


@pytest.mark.usefixtures("chunk_size")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [2, 3, 64])
def test_equal_embeddings_tie_and_come_in_the_order_of_indices(dtype, width):
    rng = np.random.default_rng(width)
    distinct = rng.normal(size=(6, width)).astype(dtype)
    kind = rng.integers(0, 6, 61)
    embeddings = distinct[kind].astype(np.float64)
    for k in (1, 9, 60):
        nearest = neighbours.nearest(embeddings, np.arange(61), k)
        for i in range(61):
            distances = ((embeddings[i] - distinct) ** 2).sum(axis=1)[kind]
            expected = sorted((j for j in range(61) if j != i), key=lambda j: (distances[j], j))
            assert nearest[i].tolist() == expected[:k]


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("doubled", [False, True])
def test_the_quick_search_gives_way_where_it_cannot_tell_tiles_apart(offset, doubled):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(60, 5)) + offset
    if doubled:
        embeddings[30:] = embeddings[:30]
    rows = np.arange(60)
    for k in (1, 7, 59):
        assert np.array_equal(nearest(embeddings, rows, k), exact_nearest(embeddings, rows, k))
    assert not (doubled and quick_nearest(embeddings, rows, 7)[1].any())


def test_the_quick_search_counts_the_rounding_of_far_tiles_where_the_row_itself_is_at_0():
    embeddings = np.zeros((60, 2))
    embeddings[1:, 0] = 1 + 2e-15 * np.arange(59)[::-1]  # each a few steps of float64 nearer than the one before
    assert nearest(embeddings, np.array([0]), 5).tolist() == [[59, 58, 57, 56, 55]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_refused_by_row(bad):
    embeddings, proportions, labels = random_tiles(0)
    embeddings[17, 1] = bad
    for score in (
        lambda: map_at_r(embeddings, labels),
        lambda: multilabel_map(embeddings, proportions, 1),
        lambda: graded_map_at_r(embeddings, proportions),
        lambda: evaluation.gsil(embeddings, proportions),
    ):
        with pytest.raises(ValueError, match=r"1 of 40 rows .* row 17\b"):
            score()


def test_k_must_be_positive():
    embeddings, proportions, _ = random_tiles(0)
    with pytest.raises(ValueError, match=r"'k' parameter of multilabel_map must be >= 1\. Got 0"):
        multilabel_map(embeddings, proportions, 0)
