"""The scale of embeddings in 8 bits: fine where values are small, and wide enough for those outside the sample."""

import numpy as np
import pytest

from inference.embedding.quantisation import HEADROOM, choose_quantisation


def unit_vectors(tiles: int, dimensions: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(tiles, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("unit_length", [True, False])
@pytest.mark.parametrize("dimensions", [64, 512, 1536])
def test_most_of_the_levels_are_used_whatever_the_number_of_dimensions(dimensions, unit_length):
    vectors = unit_vectors(300, dimensions)
    quantisation = choose_quantisation(False, unit_length, lambda: vectors[:200])
    stored, clipped = quantisation.stored(vectors)
    assert len(np.unique(stored)) > 150 and not clipped
    error = np.linalg.norm(stored * quantisation.scale - vectors, axis=1)
    assert error.max() < 0.02
    expected = HEADROOM * np.abs(vectors[:200]).max() / 127
    assert quantisation.scale == pytest.approx(expected)
    assert "1.25 times" in quantisation.source


def test_unit_length_needs_no_more_than_1():
    axes = np.eye(3, dtype=np.float32)
    quantisation = choose_quantisation(False, True, lambda: axes)
    stored, clipped = quantisation.stored(-axes)
    assert quantisation.scale == 1 / 127 and stored.min() == -127 and not clipped
    assert choose_quantisation(False, False, lambda: axes).scale == pytest.approx(HEADROOM / 127)


def test_values_beyond_the_headroom_are_clipped_and_counted():
    quantisation = choose_quantisation(False, False, lambda: np.ones((2, 2)))
    stored, clipped = quantisation.stored(np.float32([[1.25, 1.3], [-9, 0]]))
    assert stored.tolist() == [[127, 127], [-127, 0]] and clipped == 2


def test_zeros_and_floats():
    zeros = np.zeros((4, 5), np.float32)
    stored, clipped = choose_quantisation(False, False, lambda: zeros).stored(zeros)
    assert not stored.any() and not clipped
    floats = choose_quantisation(True, False, lambda: pytest.fail("no sample is needed"))
    assert floats.scale == 1 and floats.stored(zeros)[0] is zeros
