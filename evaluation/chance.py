"""What an embedding that knows nothing scores: each retrieval metric's exact mean over all orders of the neighbours."""

import numpy as np

from evaluation.proportions import only_labelled, similarity_rows
from evaluation.retrieval import count_same_label, graded_rows, mean


def chance_map_at_r(labels: np.ndarray) -> float:
    """Expected `map_at_r` of labels (N,), -1 = unlabelled, in random order: a float in [0, 1], NaN if it has none."""
    labels = np.asarray(labels)
    labels = labels[labels >= 0]
    depth = count_same_label(labels)
    depth = depth[depth > 0]
    return mean([expected_precision(depth, depth, depth, len(labels) - 1) / depth])


def chance_graded_map_at_r(proportions: np.ndarray) -> float:
    """Expected `graded_map_at_r` of proportions (N, K) in random order: a float in [0, 1], NaN if it has none."""
    proportions = only_labelled(proportions)
    scores = []
    for _, relevance, depth, best in graded_rows(proportions):
        sums, squares = relevance.sum(axis=1), (relevance**2).sum(axis=1)
        expected = expected_precision(sums, squares, depth, len(proportions) - 1)
        scores.append(expected[best > 0] / best[best > 0])
    return mean(scores)


def chance_multilabel_map(proportions: np.ndarray) -> float:
    """Expected `multilabel_map` of proportions (N, C), for any k: a float in [0, 1], NaN if it has none.

    That is the mean over the tiles of the mean s(p, q) over all others.
    """
    proportions = only_labelled(proportions)
    count, classes = proportions.shape
    if count < 2 or classes < 2:
        return float("nan")
    return mean([table.sum(axis=1) / (count - 1) for table in similarity_rows(proportions)])


def expected_precision(sums: np.ndarray, squares: np.ndarray, depth: np.ndarray, others: int) -> np.ndarray:
    """Mean of S = sum_{k<=R} o_k (1/k) sum_{l<=k} o_l over all orders of a tile's others: (n,).

    sums, squares: (n,), of the relevance o and of o^2 over the others. depth: R (n,). On average a place holds
    o^2 = squares/others, and two places o o' = (sums^2 - squares)/(others (others - 1)); place k meets itself once and
    k - 1 before it.
    """
    harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, depth.max(initial=0) + 1))])[depth]
    same = squares / max(others, 1)
    different = (sums**2 - squares) / max(others * (others - 1), 1)
    return harmonic * same + (depth - harmonic) * different
