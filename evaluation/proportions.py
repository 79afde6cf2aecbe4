"""Functions of proportions (N, K): labelled tiles, similarity of two tiles, error of a prediction."""

from collections.abc import Iterator

import numpy as np

from evaluation.neighbours import chunks


def labelled(proportions: np.ndarray) -> np.ndarray:
    """Return the mask (N,) bool of the labelled tiles: all rows that are not all zero."""
    return np.any(np.asarray(proportions) > 0, axis=1)


def reaches(proportions: np.ndarray, threshold: float) -> np.ndarray:
    """Return the mask (N,) bool of the labelled tiles whose dominant class covers at least a share of threshold."""
    # Proportions are fractions of a pixel count, perhaps in float32, where 9/10 is less than 0.9.
    return labelled(proportions) & (proportions.max(axis=1) >= threshold - 1e-6)


def only_labelled(proportions: np.ndarray) -> np.ndarray:
    """Return the labelled rows of proportions (N, K), as float64."""
    return np.asarray(proportions, dtype=np.float64)[labelled(proportions)]


def shared_area(proportions: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the relevance o(p, q) = sum_c min(p_c, q_c) (n, N) of all tiles (N, K) for rows (n,), 0 for itself."""
    columns = np.ascontiguousarray(proportions.T)  # (K, N)
    table = np.empty((len(rows), len(proportions)))
    for to_all, shares in zip(table, proportions[rows]):
        present = np.flatnonzero(shares)  # for other classes the minimum is 0
        np.minimum(shares[present, None], columns[present]).sum(axis=0, out=to_all)
    table[np.arange(len(rows)), rows] = 0
    return table


def similarity(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return s(p, q) = max(0, 1 - inter/intra) (...) in [0, 1] of proportions (..., C) and (..., C), broadcast.

    intra = 1/C sum_c min(p_c, q_c); inter = 2/(C(C-1)) sum_{c<c'} max(min(q_c, p_c'), min(q_c', p_c)); s is 0 where
    intra is 0. C must be 2 or more. With max(x, y) = x + y - min(x, y), the sum over pairs is a difference of two sums:
    sum_{c != c'} min(p_c, q_c'), and sum_{c<c'} min(v_c, v_c') = sum_r r v_(r), with v = min(p, q) sorted in descending
    order from r = 0.
    """
    count = p.shape[-1]
    least = np.minimum(p, q)  # (..., C)
    intra = least.sum(axis=-1)
    least.sort(axis=-1)
    both = least @ np.arange(count - 1, -1, -1.0)
    inter = sum_of_minima(p, q) - intra - both
    ratio = np.divide(2 * inter, (count - 1) * intra, out=np.ones_like(intra), where=intra > 0)
    return np.clip(1 - ratio, 0, 1)


def sum_of_minima(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return sum_c sum_c' min(p_c, q_c') (...) of proportions (..., C) and (..., C), broadcast.

    The order of the classes does not matter, so each row is sorted, and columns that are 0 in all rows are left out:
    most tiles contain only a few classes.
    """
    p, q = (np.moveaxis(-np.sort(-side, axis=-1), -1, 0) for side in (p, q))  # (C, ...)
    p, q = (side[[column.any() for column in side]] for side in (p, q))
    return sum((np.minimum(p_c, q_c) for p_c in p for q_c in q), start=np.zeros(()))


def similarity_rows(proportions: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the similarities s (n, N) of n tiles to all tiles (N, C), 0 of a tile to itself, for all tiles in turn."""
    for rows in chunks(np.arange(len(proportions)), proportions.size):
        table = similarity(proportions[rows, None], proportions[None])
        table[np.arange(len(rows)), rows] = 0
        yield table


def normalised(predicted: np.ndarray) -> np.ndarray:
    """Clip predicted proportions (N, C) to [0, 1] and scale their rows to sum 1; a row of zeros becomes 1/C."""
    clipped = np.clip(np.asarray(predicted, dtype=np.float64), 0, 1)
    sums = clipped.sum(axis=1, keepdims=True)
    return np.divide(clipped, sums, out=np.full_like(clipped, 1 / clipped.shape[1]), where=sums != 0)


def sum_error(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean of sum_c |p_c - q_c| over the labelled tiles, with p the normalised prediction; in [0, 2].

    predicted, truth: (N, C). NaN if no tile is labelled.
    """
    mask = labelled(truth)
    if not mask.any():
        return float("nan")
    return float(np.abs(normalised(predicted)[mask] - np.asarray(truth)[mask]).sum(axis=1).mean())
