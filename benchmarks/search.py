"""A search of a million tiles takes less than a tenth of a second

Embeddings of 1,000,000 tiles, 64 dimensions in 8 bits and of length 1, as an embedded map on the disk: about a thousand
around each of 1,000 centres. Two threads. A query is one more embedding of these centres: all tiles are compared with
it, and the candidates for 20 results are chosen, as `python main.py search` does once the network has embedded the
example. The first query reads the vectors from the disk: they are dropped from the system's page cache before.

Beside it, where faiss is installed, the same with an index: which share of the 20 most similar tiles it finds. How much
of the index is searched is chosen when it is made, so that it finds nearly all, on small and on large maps.
"""

import importlib.util
import json
import logging
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, Setting, at_least, at_most, drop_from_page_cache, in_turn
from benchmarks.runs import THREADS
from inference.core.embedded_map import ABOUT, VALID, VECTORS, EmbeddedMap, open_embedded
from inference.similar_places.candidates import FACTOR, Ranked, exact_candidates
from inference.similar_places.index import index_candidates
from inference.similar_places.similarity import Similarity, similarity_of_all, similarity_to

SIDE, DIMENSIONS, SIZE = 1_000, 64, 16  # tiles a side; pixels of a tile
OF_CENTRE, SPREAD = 1_000, 0.1  # tiles around a centre, and their deviation from it in each dimension
K, QUERIES = 20, 10
MOST_FIRST, MOST_LATER = 1.0, 0.06  # seconds
LEAST_RECALL = 0.95


def measure(setting: Setting) -> list[Row]:
    """Measure the first query, later ones and, with faiss, those by an index."""
    logging.disable(logging.INFO)
    embedded, queries = write_vectors(setting.folder / "search", setting.number(SIDE, 60))

    def exact(query: Similarity) -> Ranked:
        return exact_candidates(similarity_of_all(embedded, query, THREADS))(FACTOR * K)

    def cold() -> None:  # works while no process holds the pages mapped: `embedded` is not read yet
        drop_from_page_cache([embedded.folder / VECTORS])

    def first_query() -> None:
        opened = open_embedded(embedded.folder)
        exact_candidates(similarity_of_all(opened, queries[0], THREADS))(FACTOR * K)

    def all_queries() -> int:
        return len([exact(query) for query in queries])

    first = in_turn({"first": first_query}, setting.rounds, before=cold, warm=False)["first"]
    later = in_turn({"later": all_queries}, setting.rounds)["later"]
    return [
        at_most("the first query, from the disk", first.duration(), first.median, MOST_FIRST, "s"),
        at_most("a later query", later.duration(), later.median, MOST_LATER, "s"),
        *with_index(setting, embedded, queries, [exact(query) for query in queries]),
    ]


def with_index(setting: Setting, embedded: EmbeddedMap, queries: list[Similarity], exact: list[Ranked]) -> list[Row]:
    """Rows of the same queries by an index; none without faiss."""
    if importlib.util.find_spec("faiss") is None:
        return []

    def find(query: Similarity) -> np.ndarray:
        candidates = index_candidates(embedded, query, True)
        assert candidates is not None, "faiss is installed"
        return candidates(FACTOR * K).tiles[:K]

    def all_queries() -> int:
        return len([find(query) for query in queries])

    timing = in_turn({"index": all_queries}, setting.rounds)["index"]
    shares = [len(np.intersect1d(find(query), each.tiles[:K])) / K for query, each in zip(queries, exact)]
    recall = float(np.mean(shares))
    return [
        Row("a later query, by an index", timing.duration()),
        at_least(f"found by it of the {K} most similar tiles", f"{recall:.3f}", recall, LEAST_RECALL, "of them"),
    ]


def write_vectors(folder: Path, side: int) -> tuple[EmbeddedMap, list[Similarity]]:
    """Write side x side embeddings as an embedded map; return it, and queries near the same centres."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(side**2 // OF_CENTRE, DIMENSIONS)).astype(np.float32) / DIMENSIONS**0.5

    def drawn(number: int) -> np.ndarray:
        noise = SPREAD * rng.standard_normal((number, DIMENSIONS), np.float32)
        vectors = centres[rng.integers(0, len(centres), number)] + noise
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / VECTORS, np.rint(127 * drawn(side**2)).astype(np.int8))
    np.save(folder / VALID, np.ones(side**2, bool))
    about = {
        "image_size": SIZE, "stride": SIZE, "window": [0, 0, side * SIZE, side * SIZE], "dimensions": DIMENSIONS,
        "type": "int8", "scale": 1 / 127, "unit_length": True,
    }  # fmt: skip
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf8")
    return open_embedded(folder), [
        similarity_to(each[None], np.empty((0, DIMENSIONS)), True) for each in drawn(QUERIES)
    ]
