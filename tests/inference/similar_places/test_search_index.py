"""The index of a large embedded map: what it finds, when it is made, and what happens without faiss."""

import logging
import os
import sys

import numpy as np
import pytest
from searches_for_tests import unit_vectors, write_embedded

from dataProcessors.rasters.grid import Window
from inference.core.tile_grid import TileGrid
from inference.similar_places import index as search_index
from inference.similar_places.candidates import best_apart, exact_candidates
from inference.similar_places.index import INDEX, index_candidates
from inference.similar_places.similarity import similarity_of_all, similarity_to

needs_faiss = pytest.mark.skipif(
    "sys.platform == 'darwin' or not __import__('importlib').util.find_spec('faiss')", reason="faiss is optional"
)
NONE = np.empty((0, 16))
GRID = TileGrid(Window(0, 0, 8 * 160, 8 * 125), 8, 8)  # 20,000 tiles


def clustered(n: int, seed=0) -> np.ndarray:
    """Return unit vectors (n, 16) around 40 centres."""
    rng = np.random.default_rng(seed)
    vectors = unit_vectors(40, 16)[rng.integers(0, 40, n)] + 0.2 * rng.normal(size=(n, 16))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    valid = np.random.default_rng(5).random(len(GRID)) > 0.1
    return write_embedded(tmp_path_factory.mktemp("map"), GRID, clustered(len(GRID)), valid)


def compared(embedded, similarity, k=10):
    """Return the k best tiles by the index, and by all."""
    exact = exact_candidates(similarity_of_all(embedded, similarity))
    quick = index_candidates(embedded, similarity, True)
    return (best_apart(each, k, embedded.tiles, np.empty((0, 2))) for each in (quick, exact))


@needs_faiss
def test_recall_at_10_and_exact_values(embedded):
    hits = 0
    for query in clustered(50, seed=1):
        found, exact = compared(embedded, similarity_to(query[None], NONE, True))
        hits += len(set(found.tiles) & set(exact.tiles))
        assert embedded.valid[found.tiles].all()
        of_all = similarity_of_all(embedded, similarity_to(query[None], NONE, True))
        assert np.array_equal(found.similarity, of_all[found.tiles])
        assert (np.diff(found.similarity) <= 0).all()
    assert hits >= 0.95 * 50 * 10


def anywhere(n: int, seed=0) -> np.ndarray:
    """Return unit vectors (n, 16) in all directions: of a tile's neighbours, many lie in other lists."""
    return unit_vectors(n, 16, seed)


def recall(embedded, queries: np.ndarray, k: int) -> float:
    """Return the mean share of the k most similar tiles to each query that the index finds."""
    shares = []
    for query in queries:
        similarity = similarity_to(query[None], NONE, True)
        found = index_candidates(embedded, similarity, True)(8 * k).tiles[:k]
        exact = exact_candidates(similarity_of_all(embedded, similarity))(k).tiles[:k]
        shares.append(len(np.intersect1d(found, exact)) / k)
    return float(np.mean(shares))


@needs_faiss
@pytest.mark.parametrize("draw", [clustered, anywhere])
@pytest.mark.parametrize("side", [3, 20, 60])
def test_maps_of_any_size_have_their_recall(tmp_path, draw, side, capfd):
    small = write_embedded(tmp_path, TileGrid(Window(0, 0, 8 * side, 8 * side), 8, 8), draw(side**2))
    assert recall(small, draw(60, seed=1), min(20, side**2)) >= 0.95
    assert "WARNING" not in capfd.readouterr().err


@needs_faiss
def test_more_places_are_looked_for_in_more_lists(embedded):
    for k in (20, 200):
        assert recall(embedded, clustered(20, seed=2), k) >= 0.95


@needs_faiss
@pytest.mark.parametrize("unit_length", [True, False])
def test_all_lists_give_what_all_tiles_give(embedded, unit_length, tmp_path):
    vectors = clustered(len(GRID)) * (1 if unit_length else np.random.default_rng(1).uniform(1, 3, (len(GRID), 1)))
    kind = "int8" if unit_length else "float32"
    whole = write_embedded(tmp_path, GRID, vectors, unit_length=unit_length, kind=kind)
    counter_examples = clustered(2, 8) if unit_length else NONE
    similarity = similarity_to(clustered(3, 7), counter_examples, unit_length)
    found, exact = compared(whole, similarity, 500)
    assert len(set(found.tiles) & set(exact.tiles)) >= 450
    everything = index_candidates(whole, similarity, True)(len(GRID) + 1)
    assert everything.is_all
    expected = exact_candidates(similarity_of_all(whole, similarity))(len(GRID))
    assert np.array_equal(everything.tiles, expected.tiles)


@needs_faiss
def test_no_index_for_counter_examples_without_unit_length(embedded, caplog):
    caplog.set_level(logging.INFO)
    assert index_candidates(embedded, similarity_to(clustered(2), clustered(1, 2), False), True) is None
    assert "All tiles are compared" in caplog.text


@needs_faiss
def test_the_index_is_made_once_and_again_where_it_is_old_or_damaged(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    embedded = write_embedded(tmp_path, GRID, clustered(len(GRID)))
    similarity = similarity_to(clustered(1, 3), NONE, True)

    def is_made() -> bool:
        caplog.clear()
        index_candidates(embedded, similarity, True)
        return "once" in caplog.text

    path, vectors = tmp_path / INDEX, tmp_path / "vectors.npy"
    assert is_made()
    assert not is_made()
    after = path.stat().st_mtime_ns + 10**9
    os.utime(vectors, ns=(after, after))
    assert is_made()
    os.utime(path, ns=(after, after))
    assert not is_made()
    path.write_bytes(path.read_bytes()[:1000])
    os.utime(path, ns=(after, after))
    assert is_made()
    assert "is damaged and made again" in caplog.text
    assert not list(tmp_path.glob(".part-*"))


@pytest.mark.parametrize("missing", ["faiss", "macOS"])
def test_without_faiss_all_tiles_are_compared(embedded, monkeypatch, caplog, missing):
    caplog.set_level(logging.INFO)
    if missing == "faiss":
        monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setattr(sys, "platform", "darwin" if missing == "macOS" else "linux")
    assert index_candidates(embedded, similarity_to(clustered(1), NONE, True), True) is None
    assert "All tiles are compared" in caplog.text
    assert ("pip install faiss-cpu==" in caplog.text) == (missing == "faiss")


def test_an_index_is_used_for_many_tiles_or_where_it_is_asked_for(embedded, monkeypatch):
    asked = []
    monkeypatch.setattr(search_index, "_library", lambda: asked.append(True))
    similarity = similarity_to(clustered(1), NONE, True)
    for wanted, limit, expected in ((None, 20_001, 0), (None, 20_000, 1), (True, 10**9, 1), (False, 1, 0)):
        monkeypatch.setattr(search_index, "MIN_TILES", limit)
        asked.clear()
        assert index_candidates(embedded, similarity, wanted) is None
        assert len(asked) == expected
