"""Are a tile's nearest neighbours like it: MAP@R, multi-label MAP@k, graded MAP@R.

All of them take embeddings (N, D) and what is known of the tiles, leave unlabelled tiles out, both as queries and as
neighbours, never count a tile as its own neighbour, and return NaN where no tile can be scored. The order of neighbours
is (squared distance, index): an embedding that has collapsed to a point scores what chance scores if the tiles come in
random order.
"""

from collections.abc import Iterator

import numpy as np

from evaluation.neighbours import by_chunks, check_embeddings, chunks, nearest
from evaluation.proportions import labelled, shared_area, similarity


def map_at_r(embeddings: np.ndarray, labels: np.ndarray) -> float:
    """Mean average precision at R (Musgrave et al. 2020, arXiv:2003.08505), a float in [0, 1].

    embeddings: (N, D). labels: (N,) int, -1 = unlabelled. R is the number of other tiles of a tile's label; tiles that
    are alone with theirs are not scored. Raises ValueError if an embedding is not finite.
    """
    labels = np.asarray(labels)
    embeddings, labels = check_embeddings(embeddings)[labels >= 0], labels[labels >= 0]
    depth = count_same_label(labels)
    queries = np.argsort(depth, kind="stable")  # by R: tiles of one chunk look equally far
    queries = queries[depth[queries] > 0]

    def average_precision(rows: np.ndarray) -> np.ndarray:
        correct = labels[nearest(embeddings, rows, depth[rows].max())] == labels[rows, None]
        return weighted_precision(correct, depth[rows]) / depth[rows]

    return mean(by_chunks(average_precision, queries, len(labels)))


def multilabel_map(embeddings: np.ndarray, proportions: np.ndarray, k: int) -> float:
    """Multi-label MAP@k: mean over the tiles of the mean of s(p, q) over their k nearest others, a float in [0, 1].

    embeddings: (N, D). proportions: (N, C). k is cut to the number of other tiles. NaN if C is 1. s is
    `evaluation.proportions.similarity`. Raises ValueError if an embedding is not finite, or k is not positive.
    """
    if k < 1:
        raise ValueError(f"The 'k' parameter of multilabel_map must be >= 1. Got {k} instead.")
    embeddings, proportions = with_proportions(embeddings, proportions)
    count, classes = proportions.shape
    k = min(k, count - 1)
    if k < 1 or classes < 2:
        return float("nan")

    def similarities(rows: np.ndarray) -> np.ndarray:
        neighbours = proportions[nearest(embeddings, rows, k)]  # (n, k, C)
        return similarity(proportions[rows, None], neighbours).mean(axis=1)

    return mean(by_chunks(similarities, np.arange(count), max(count, k * classes)))


def graded_map_at_r(embeddings: np.ndarray, proportions: np.ndarray) -> float:
    """Graded MAP@R, a float in [0, 1]: MAP@R where a neighbour is as relevant as the share of area in common.

    embeddings: (N, D). proportions: (N, K). A tile's score is S = sum_{k<=R} o_k (1/k) sum_{l<=k} o_l over its
    neighbours, divided by S for the best possible order; tiles whose best S is 0 are not scored. For crisp labels it
    equals MAP@R. Raises ValueError if an embedding is not finite.
    """
    embeddings, proportions = with_proportions(embeddings, proportions)
    scores = []
    for rows, relevance, depth, best in graded_rows(proportions):
        ordered = np.take_along_axis(relevance, nearest(embeddings, rows, depth.max()), axis=1)
        scores.append(weighted_precision(ordered, depth)[best > 0] / best[best > 0])
    return mean(scores)


def graded_rows(proportions: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield what graded MAP@R asks of labelled proportions (N, K), in chunks of n tiles, all tiles once.

    That is rows (n,), relevance o (n, N) with 0 for the tile itself, R (n,) and the best possible S (n,).
    """
    count = len(proportions)
    for rows in chunks(np.arange(count if count > 1 else 0), count):
        relevance = shared_area(proportions, rows)
        # Proportions are fractions of a pixel count, so exact halves are common: rounded up despite float noise.
        depth = np.floor(relevance.sum(axis=1) + 0.5 + 1e-6).astype(np.int64).clip(1, count - 1)
        descending = -np.partition(-relevance, depth.max() - 1, axis=1)[:, : depth.max()]
        descending[:] = -np.sort(-descending, axis=1)
        yield rows, relevance, depth, weighted_precision(descending, depth)


def weighted_precision(relevance: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """S = sum_{k<=R} o_k (1/k) sum_{l<=k} o_l of the ordered relevance o (n, k), R = depth (n,): (n,)."""
    ranks = np.arange(1, relevance.shape[1] + 1)
    precision = np.cumsum(relevance, axis=1) / ranks
    return (relevance * precision * (ranks <= depth[:, None])).sum(axis=1)


def count_same_label(labels: np.ndarray) -> np.ndarray:
    """For each of labels (N,), how many others equal it: (N,) int."""
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return counts[classes] - 1


def with_proportions(embeddings: np.ndarray, proportions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings (n, D) and proportions (n, K) of the labelled tiles, checked, as float64."""
    mask = labelled(proportions)
    return check_embeddings(embeddings)[mask], np.asarray(proportions, dtype=np.float64)[mask]


def mean(parts: list[np.ndarray]) -> float:
    """Mean over all values of the arrays; NaN, without a warning, if there are none."""
    values = np.concatenate([*parts, np.empty(0)])
    return float(values.mean()) if len(values) else float("nan")
