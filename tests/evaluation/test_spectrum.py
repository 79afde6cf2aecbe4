"""How many of its dimensions an embedding uses."""

import numpy as np
import pytest

from evaluation.spectrum import used_dimensions

pytestmark = pytest.mark.filterwarnings("error")


def test_equal_spread_along_all_dimensions_uses_all():
    corners = np.concatenate([np.eye(4), -np.eye(4)])
    assert used_dimensions(corners + 7) == pytest.approx(1)
    assert used_dimensions(corners @ np.diag([1, 1, 0, 0])) == pytest.approx(0.5)


def test_against_the_definition():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(40, 5)) * [3, 1, 0.5, 0.1, 0]
    centred = embeddings - embeddings.mean(0)
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(centred.T @ centred), 0))
    shares = [value / singular.sum() for value in singular if value > 1e-6]
    expected = np.exp(-sum(share * np.log(share) for share in shares)) / 5
    assert used_dimensions(embeddings) == pytest.approx(expected)
    assert used_dimensions(embeddings.astype(np.float32)) == pytest.approx(expected, rel=1e-5)


def test_fewer_tiles_than_dimensions():
    assert used_dimensions(np.eye(4, 100)) == pytest.approx(1)
    assert used_dimensions(np.array([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]])) == 1


def test_collapsed_and_undefined():
    assert used_dimensions(np.full((10, 3), 0.1)) == 0
    assert used_dimensions(np.zeros((10, 3))) == 0
    assert np.isnan(used_dimensions(np.ones((1, 3))))
    assert np.isnan(used_dimensions(np.ones((0, 3))))
