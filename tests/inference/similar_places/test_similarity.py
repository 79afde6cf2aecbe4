"""Similarity to examples and counter-examples, and the choice of tiles that do not overlap, against slow loops."""

import numpy as np
import pytest
from searches_for_tests import slow_choice, unit_vectors, write_embedded

from config import UserError
from dataProcessors.rasters.grid import Window
from inference.core.tile_grid import TileGrid
from inference.similar_places.candidates import best_apart, choose_apart, exact_candidates
from inference.similar_places.similarity import CHUNK_BYTES, similarity_of_all, similarity_to

NONE = np.empty((0, 8))


def slow_similarity(vectors, examples, counter_examples, unit_length):
    """Compare each vector with each example."""

    def mean(vector, others):
        if unit_length:
            return np.mean([vector @ other for other in others]) if len(others) else 0.0
        return -np.mean([((vector - other) ** 2).sum() for other in others]) if len(others) else 0.0

    values = np.array([mean(v, examples) - mean(v, counter_examples) for v in vectors])
    return values if unit_length or len(counter_examples) else -np.sqrt(-values)


@pytest.mark.parametrize("unit_length", [True, False])
@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("counter_number", [0, 2])
def test_similarity_is_the_mean_over_examples_less_that_over_counter_examples(unit_length, number, counter_number):
    vectors = unit_vectors(50, 8) * (1 if unit_length else 7)
    examples, counter_examples = unit_vectors(number, 8, 1), unit_vectors(counter_number, 8, 2)
    similarity = similarity_to(examples, counter_examples, unit_length)
    expected = slow_similarity(vectors, examples, counter_examples, unit_length)
    assert similarity.of(np.float32(vectors)) == pytest.approx(expected, abs=2e-5)
    assert similarity.of(np.float32(vectors)).dtype == np.float32
    point = similarity.nearest_to
    if point is None:
        assert counter_number
        assert not unit_length
    else:
        nearest = ((vectors - point) ** 2).sum(1)
        assert np.array_equal(np.argsort(nearest), np.argsort(-expected))


def test_the_cosine_does_not_depend_on_the_length_that_rounding_gives(tmp_path):
    grid = TileGrid(Window(0, 0, 160, 160), 16, 16)
    vectors = unit_vectors(len(grid), 8)
    vectors[0] = 0
    embedded = write_embedded(tmp_path / "map", grid, vectors)
    stored = embedded.vectors / np.maximum(np.linalg.norm(embedded.vectors.astype(float), axis=1, keepdims=True), 1)
    values = similarity_of_all(embedded, similarity_to(vectors[7:8], NONE, True))
    assert values == pytest.approx(stored @ vectors[7], abs=1e-6)
    assert values[0] == 0
    assert values.max() == values[7]


def test_distances_of_long_vectors_keep_their_digits():
    example = np.full((1, 8), 1000.0)
    beside = np.float32(example + 0.01 * np.eye(8)[:1])
    apart = np.linalg.norm(beside - example)
    assert similarity_to(example, NONE, False).of(beside) == pytest.approx(-apart, rel=1e-4)


@pytest.mark.parametrize("unit_length", [True, False])
def test_equal_rows_tie_wherever_they_stand(unit_length):
    rng = np.random.default_rng(0)
    vectors = np.float32(rng.normal(size=(999, 64)))
    similarity = similarity_to(rng.normal(size=(3, 64)), rng.normal(size=(0, 64)), unit_length)
    values, order = similarity.of(vectors), rng.permutation(999)
    assert np.array_equal(similarity.of(vectors[order]), values[order])
    assert all(np.array_equal(similarity.of(vectors[i : i + 1]), values[i : i + 1]) for i in range(0, 999, 37))


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_all_tiles_in_chunks_by_any_number_of_threads(tmp_path, kind):
    dimensions = 64
    grid = TileGrid(Window(0, 0, 2 * CHUNK_BYTES // (4 * dimensions) + 77, 16), 16, 1)  # more than two chunks
    valid = np.random.default_rng(0).random(len(grid)) > 0.1
    embedded = write_embedded(tmp_path / "map", grid, unit_vectors(len(grid), dimensions), valid, kind=kind)
    similarity = similarity_to(unit_vectors(1, dimensions, 3), np.empty((0, dimensions)), True)
    values = similarity_of_all(embedded, similarity)
    assert np.array_equal(np.isnan(values), ~valid)
    assert np.array_equal(values[valid], similarity.of(embedded.embeddings(np.flatnonzero(valid))))
    assert np.array_equal(values, similarity_of_all(embedded, similarity, 3), equal_nan=True)


@pytest.mark.parametrize("seed", range(12))
def test_the_choice_is_that_from_all_tiles_in_their_order(seed):
    rng = np.random.default_rng(seed)
    size, stride = int(rng.integers(2, 20)), int(rng.integers(1, 25))
    window = Window(*rng.integers(0, 30, 2).tolist(), *(size + rng.integers(0, 90, 2)).tolist())
    grid = TileGrid(window, size, stride)
    similarity = rng.integers(0, int(rng.choice([2, 10, 10_000])), len(grid)).astype(np.float32)  # with many ties
    similarity[rng.random(len(grid)) < 0.2] = np.nan
    examples = np.array(window[:2]) + rng.integers(-size, 90, (int(rng.integers(0, 3)), 2))  # may lie beyond the window
    expected = slow_choice(similarity, grid.positions(np.arange(len(grid))), size, examples)
    for k in sorted({1, 2, len(expected) // 2, len(expected)} & set(range(1, len(expected) + 1))):
        found = best_apart(exact_candidates(similarity), k, grid, examples)
        assert found.tiles.tolist() == expected[:k]
        assert np.array_equal(found.similarity, similarity[expected[:k]])
    with pytest.raises(UserError, match=rf"^{len(expected) + 1} tiles are asked for, and .* gives {len(expected)}:"):
        best_apart(exact_candidates(similarity), len(expected) + 1, grid, examples)


def test_tiles_that_are_all_alike_come_by_their_index():
    grid = TileGrid(Window(0, 0, 400, 400), 16, 4)
    found = best_apart(exact_candidates(np.zeros(len(grid), np.float32)), 5, grid, np.empty((0, 2)))
    assert grid.positions(found.tiles).tolist() == [[16 * i, 0] for i in range(5)]


def test_tiles_that_touch_do_not_overlap():
    grid = TileGrid(Window(0, 0, 48, 16), 16, 8)  # at 0, 8, 16, 24, 32
    assert choose_apart(np.arange(5), 5, grid, np.empty((0, 2))).tolist() == [0, 2, 4]
    assert choose_apart(np.arange(5), 5, grid, np.array([[16, 0]])).tolist() == [0, 4]
    assert choose_apart(np.arange(5), 5, grid, np.array([[15, 0]])).tolist() == [4]
