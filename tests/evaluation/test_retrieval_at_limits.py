"""MAP@R, multi-label MAP@k and graded MAP@R by hand, at chance, and in degenerate cases."""

import math
import subprocess
import sys
from pathlib import Path

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
)
from evaluation.retrieval import graded_rows


def test_perfect_embedding_scores_one():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, -1], [7, 2, 11, 5]))
    embeddings = np.eye(4)[labels]
    assert map_at_r(embeddings, labels) == 1
    crisp = np.eye(3)[labels] * (labels >= 0)[:, None]
    assert graded_map_at_r(embeddings, crisp) == pytest.approx(1)
    assert multilabel_map(embeddings, crisp, 1) == 1


def test_graded_map_by_hand():
    proportions = np.array([[0.5, 0.5, 0], [0.5, 0.25, 0.25], [0.75, 0, 0.25], [0.25, 0, 0.75]])
    embeddings = np.array([[0.0], [3.0], [1.0], [1.5]])
    scores = [
        (0.5**2 + 0.25 * 0.75 / 2) / (0.75**2 + 0.5 * 1.25 / 2),  # 1.5 tiles are shared: rounded up, R is 2
        (0.5**2 + 0.75 * 1.25 / 2) / (0.75**2 + 0.75 * 1.5 / 2),
        (0.5**2 + 0.5 * 1.0 / 2) / (0.75**2 + 0.5 * 1.25 / 2),
        1.0,  # R is 1, and no tile has more in common than the nearest
    ]
    assert graded_map_at_r(embeddings, proportions) == pytest.approx(np.mean(scores), abs=1e-12)


def test_half_a_tile_is_rounded_up_despite_float_noise():
    proportions = np.array([[1.0, 0.0], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    assert 0.6 + 0.7 + 0.2 < 1.5
    ((_, _, depth, _),) = graded_rows(proportions)
    assert depth.tolist() == [2, 2, 2, 1]


def test_collapsed_embedding_in_random_order_scores_about_chance():
    rng = np.random.default_rng(0)
    for embeddings in (np.zeros((400, 8)), np.full((400, 8), 0.1, np.float32)):
        labels = rng.permutation(np.arange(400) % 4)
        proportions = rng.permutation(rng.dirichlet(np.full(5, 0.3), 400))
        assert map_at_r(embeddings, labels) == pytest.approx(chance_map_at_r(labels), abs=0.02)
        assert multilabel_map(embeddings, proportions, 10) == pytest.approx(chance_multilabel_map(proportions), abs=0.1)
        assert graded_map_at_r(embeddings, proportions) == pytest.approx(chance_graded_map_at_r(proportions), abs=0.05)


def test_chance_is_the_mean_over_random_embeddings():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 5 + [1] * 8 + [2] * 2 + [3] + [-1] * 3)
    proportions = rng.dirichlet(np.full(4, 0.5), 14) * (rng.random((14, 4)) < 0.7)
    means, errors = [], []
    draws = [rng.normal(size=(19, 5)) for _ in range(1500)]
    for function in (
        lambda x: map_at_r(x, labels),
        lambda x: graded_map_at_r(x[:14], proportions),
        lambda x: multilabel_map(x[:14], proportions, 3),
    ):
        values = [function(embeddings) for embeddings in draws]
        means.append(np.mean(values))
        errors.append(np.std(values) / np.sqrt(len(values)))
    chance = [chance_map_at_r(labels), chance_graded_map_at_r(proportions), chance_multilabel_map(proportions)]
    assert np.max(errors) < 0.005
    assert np.all(np.abs(np.subtract(means, chance)) < 4 * np.array(errors))


@pytest.mark.filterwarnings("error")
def test_nothing_to_score_is_nan():
    embeddings = np.ones((3, 2))
    unlabelled, one_labelled = np.zeros((3, 4)), np.eye(3, 4) * [[1], [0], [0]]
    for labels in ([-1, -1, -1], [0, -1, -1], [0, 1, 2]):
        assert math.isnan(map_at_r(embeddings, np.array(labels)))
        assert math.isnan(chance_map_at_r(np.array(labels)))
    for proportions in (unlabelled, one_labelled):
        assert math.isnan(multilabel_map(embeddings, proportions, 1))
        assert math.isnan(graded_map_at_r(embeddings, proportions))
        assert math.isnan(chance_multilabel_map(proportions))
        assert math.isnan(chance_graded_map_at_r(proportions))
    assert math.isnan(multilabel_map(embeddings, np.ones((3, 1)), 1))  # one class
    assert math.isnan(chance_multilabel_map(np.ones((3, 1))))
    assert math.isnan(graded_map_at_r(embeddings, np.eye(3)))  # nobody has anything in common
    assert multilabel_map(embeddings, np.eye(3), 1) == 0
    assert math.isnan(map_at_r(np.empty((0, 2)), np.empty(0, int)))
    assert math.isnan(graded_map_at_r(np.empty((0, 2)), np.empty((0, 3))))


@pytest.mark.filterwarnings("error")
def test_one_class_is_always_found():
    embeddings = np.random.default_rng(0).normal(size=(5, 2))
    assert map_at_r(embeddings, np.zeros(5, int)) == 1 == chance_map_at_r(np.zeros(5, int))
    assert graded_map_at_r(embeddings, np.ones((5, 1))) == pytest.approx(1)
    assert map_at_r(embeddings[:2], np.zeros(2, int)) == 1 == chance_map_at_r(np.zeros(2, int))


def test_a_tile_alone_with_its_label_is_only_a_neighbour():
    embeddings = np.array([[0.0], [1.0], [0.4]])
    assert map_at_r(embeddings, np.array([0, 0, 1])) == 0
    assert map_at_r(embeddings, np.array([0, 0, -1])) == 1


def test_import_does_not_load_scikit_learn():
    code = "import sys, evaluation; sys.exit(any(name in sys.modules for name in ('sklearn', 'scipy', 'torch')))"
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(evaluation.__file__).parents[1]).returncode
        == 0
    )
