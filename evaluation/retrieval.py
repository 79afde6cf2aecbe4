"""Retrieval metrics: MAP@R, multi-label MAP@k, graded MAP@R. Do the neighbours of a tile have similar land cover?

All metrics take embeddings (N, D) and labels or proportions. They leave out unlabelled tiles, both as queries and as
neighbours, never count a tile as its own neighbour, and return NaN if no tile can be scored. Neighbours are ordered by
(squared distance, index): if the tiles are in random order, embeddings that have collapsed into one point get the
chance level.
"""

from collections.abc import Iterator

import numpy as np

from evaluation.neighbours import check_embeddings, chunks, map_chunks, nearest
from evaluation.proportions import labelled, shared_area, similarity


def map_at_r(embeddings: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean average precision at R in [0, 1] (Musgrave et al. 2020, arXiv:2003.08505).

    R is the number of other tiles with the same label; tiles with R = 0 are not scored.

    Args:
        embeddings: (N, D)
        labels: (N,) int, -1 = unlabelled
    Raises:
        ValueError: an embedding is not finite
    """
    labels = np.asarray(labels)
    embeddings, labels = check_embeddings(embeddings)[labels >= 0], labels[labels >= 0]
    depth = count_same_label(labels)
    queries = np.argsort(depth, kind="stable")  # sorted by R: tiles of one chunk need a similar number of neighbours
    queries = queries[depth[queries] > 0]

    def average_precision(rows: np.ndarray) -> np.ndarray:
        correct = labels[nearest(embeddings, rows, depth[rows].max())] == labels[rows, None]
        return weighted_precision(correct, depth[rows]) / depth[rows]

    return mean(map_chunks(average_precision, queries, len(labels)))


def multilabel_map(embeddings: np.ndarray, proportions: np.ndarray, k: int) -> float:
    """Return the multi-label MAP@k in [0, 1]: the mean similarity s(p, q) of each tile to its k nearest neighbours.

    s is `evaluation.proportions.similarity`. NaN if C is 1.

    Args:
        embeddings: (N, D)
        proportions: (N, C)
        k: number of neighbours; reduced to the number of other tiles
    Raises:
        ValueError: an embedding is not finite, or k is not positive
    """
    if k < 1:
        raise ValueError(f"The 'k' parameter of multilabel_map must be >= 1. Got {k} instead.")
    embeddings, proportions = select_labelled(embeddings, proportions)
    count, classes = proportions.shape
    k = min(k, count - 1)
    if k < 1 or classes < 2:
        return float("nan")

    def similarities(rows: np.ndarray) -> np.ndarray:
        neighbours = proportions[nearest(embeddings, rows, k)]  # (n, k, C)
        return similarity(proportions[rows, None], neighbours).mean(axis=1)

    return mean(map_chunks(similarities, np.arange(count), max(count, k * classes)))


def graded_map_at_r(embeddings: np.ndarray, proportions: np.ndarray) -> float:
    """Return the graded MAP@R in [0, 1]: MAP@R in which the relevance of a neighbour is the shared area, from 0 to 1.

    The score of a tile is S = sum_{k<=R} o_k (1/k) sum_{l<=k} o_l over its neighbours, divided by S of the best
    possible order; tiles whose best S is 0 are not scored. For crisp labels it equals MAP@R.

    Args:
        embeddings: (N, D)
        proportions: (N, K)
    Raises:
        ValueError: an embedding is not finite
    """
    embeddings, proportions = select_labelled(embeddings, proportions)
    scores = []
    for rows, relevance, depth, best in graded_rows(proportions):
        ordered = np.take_along_axis(relevance, nearest(embeddings, rows, depth.max()), axis=1)
        scores.append(weighted_precision(ordered, depth)[best > 0] / best[best > 0])
    return mean(scores)


def graded_rows(proportions: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield what graded MAP@R needs of labelled proportions (N, K), for chunks of n tiles.

    Each chunk is: rows (n,), relevance o (n, N) with 0 for the tile itself, R (n,), and the best possible S (n,).
    """
    count = len(proportions)
    for rows in chunks(np.arange(count if count > 1 else 0), count):
        relevance = shared_area(proportions, rows)
        # Proportions are fractions of a pixel count, so exact halves are common: round them up despite float errors.
        depth = np.floor(relevance.sum(axis=1) + 0.5 + 1e-6).astype(np.int64).clip(1, count - 1)
        descending = -np.partition(-relevance, depth.max() - 1, axis=1)[:, : depth.max()]
        descending[:] = -np.sort(-descending, axis=1)
        yield rows, relevance, depth, weighted_precision(descending, depth)


def weighted_precision(relevance: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return S = sum_{k<=R} o_k (1/k) sum_{l<=k} o_l (n,) of the ordered relevance o (n, k), with R = depth (n,)."""
    ranks = np.arange(1, relevance.shape[1] + 1)
    precision = np.cumsum(relevance, axis=1) / ranks
    return (relevance * precision * (ranks <= depth[:, None])).sum(axis=1)


def count_same_label(labels: np.ndarray) -> np.ndarray:
    """Return, for each of labels (N,), the number of other tiles with the same label: (N,) int."""
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return counts[classes] - 1


def select_labelled(embeddings: np.ndarray, proportions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings (n, D) and proportions (n, K) of the labelled tiles, checked, as float64."""
    mask = labelled(proportions)
    return check_embeddings(embeddings)[mask], np.asarray(proportions, dtype=np.float64)[mask]


def mean(parts: list[np.ndarray]) -> float:
    """Return the mean over all values of the arrays; NaN, without a warning, if there are none."""
    values = np.concatenate([*parts, np.empty(0)])
    return float(values.mean()) if len(values) else float("nan")
