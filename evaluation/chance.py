"""Chance level of the retrieval metrics: the exact mean of each metric over all orders of the neighbours."""

import numpy as np

from evaluation.proportions import only_labelled, similarity_rows
from evaluation.retrieval import count_same_label, graded_rows, mean


def chance_map_at_r(labels: np.ndarray) -> float:
    """Return the expected `map_at_r` in [0, 1] of a random order of labels (N,), -1 = unlabelled; NaN if undefined."""
    labels = np.asarray(labels)
    labels = labels[labels >= 0]
    depth = count_same_label(labels)
    depth = depth[depth > 0]
    return mean([expected_precision(depth, depth, depth, len(labels) - 1) / depth])


def chance_graded_map_at_r(proportions: np.ndarray) -> float:
    """Return the expected `graded_map_at_r` in [0, 1] of a random order, for proportions (N, K); NaN if undefined."""
    proportions = only_labelled(proportions)
    scores = []
    for _, relevance, depth, best in graded_rows(proportions):
        sums, squares = relevance.sum(axis=1), (relevance**2).sum(axis=1)
        expected = expected_precision(sums, squares, depth, len(proportions) - 1)
        scores.append(expected[best > 0] / best[best > 0])
    return mean(scores)


def chance_multilabel_map(proportions: np.ndarray) -> float:
    """Return the expected `multilabel_map` in [0, 1] of a random order, for proportions (N, C); NaN if undefined.

    It is the same for every k: the mean over the tiles of the mean s(p, q) over all other tiles.
    """
    proportions = only_labelled(proportions)
    count, classes = proportions.shape
    if count < 2 or classes < 2:
        return float("nan")
    return mean([table.sum(axis=1) / (count - 1) for table in similarity_rows(proportions)])


def expected_precision(sums: np.ndarray, squares: np.ndarray, depth: np.ndarray, others: int) -> np.ndarray:
    """Return the mean (n,) of S = sum_{k<=R} o_k (1/k) sum_{l<=k} o_l over all orders of the other tiles.

    On average o^2 at one rank is squares/others, and the product o o' of two ranks is
    (sums^2 - squares)/(others (others - 1)). Rank k is multiplied with itself once, and with k - 1 ranks before it.

    Args:
        sums: (n,) sum of the relevance o over the other tiles
        squares: (n,) sum of o^2 over the other tiles
        depth: (n,) R
        others: number of other tiles
    """
    harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, depth.max(initial=0) + 1))])[depth]
    same = squares / max(others, 1)
    different = (sums**2 - squares) / max(others * (others - 1), 1)
    return harmonic * same + (depth - harmonic) * different
