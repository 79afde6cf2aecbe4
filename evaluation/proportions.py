"""What is asked of proportions (N, K): which tiles are labelled, what two tiles share, how far a prediction is off."""

from collections.abc import Iterator

import numpy as np

from evaluation.neighbours import chunks


def labelled(proportions: np.ndarray) -> np.ndarray:
    """Mask (N,) bool of the tiles that have a label: every row but those of zeros."""
    return np.any(np.asarray(proportions) > 0, axis=1)


def only_labelled(proportions: np.ndarray) -> np.ndarray:
    """Return the labelled rows of proportions (N, K), as float64."""
    return np.asarray(proportions, dtype=np.float64)[labelled(proportions)]


def shared_area(proportions: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Relevance o(p, q) = sum_c min(p_c, q_c) of all tiles (N, K) to each of rows (n,): (n, N), 0 to itself."""
    columns = np.ascontiguousarray(proportions.T)  # (K, N)
    table = np.empty((len(rows), len(proportions)))
    for to_all, shares in zip(table, proportions[rows]):
        held = np.flatnonzero(shares)  # elsewhere the minimum is 0
        np.minimum(shares[held, None], columns[held]).sum(axis=0, out=to_all)
    table[np.arange(len(rows)), rows] = 0
    return table


def similarity(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """s(p, q) = max(0, 1 - inter/intra) of proportions (..., C) with (..., C), broadcast: (...) float in [0, 1].

    intra = 1/C sum_c min(p_c, q_c); inter = 2/(C(C-1)) sum_{c<c'} max(min(q_c, p_c'), min(q_c', p_c)); s is 0 where
    intra is 0. C must be 2 or more. With max(x, y) = x + y - min(x, y) the sum over pairs falls into two:
    sum_{c != c'} min(p_c, q_c'), and sum_{c<c'} min(v_c, v_c') = sum_r r v_(r), v = min(p, q) in descending order from
    r = 0.
    """
    count = p.shape[-1]
    least = np.minimum(p, q)  # (..., C)
    intra = least.sum(axis=-1)
    least.sort(axis=-1)
    both = least @ np.arange(count - 1, -1, -1.0)
    inter = all_minima(p, q) - intra - both
    ratio = np.divide(2 * inter, (count - 1) * intra, out=np.ones_like(intra), where=intra > 0)
    return np.clip(1 - ratio, 0, 1)


def all_minima(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """sum_c sum_c' min(p_c, q_c') of proportions (..., C) with (..., C), broadcast: (...).

    The order of the classes does not matter here, so each row is sorted and the places where all rows are 0 are left
    out: a tile holds a few of the classes.
    """
    p, q = (np.moveaxis(-np.sort(-side, axis=-1), -1, 0) for side in (p, q))  # (C, ...)
    p, q = (side[[place.any() for place in side]] for side in (p, q))
    return sum((np.minimum(p_c, q_c) for p_c in p for q_c in q), start=np.zeros(()))


def similarity_rows(proportions: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the similarities s (n, N) of some tiles to all tiles (N, C), 0 of a tile to itself; all tiles in turn."""
    for rows in chunks(np.arange(len(proportions)), proportions.size):
        table = similarity(proportions[rows, None], proportions[None])
        table[np.arange(len(rows)), rows] = 0
        yield table


def normalised(predicted: np.ndarray) -> np.ndarray:
    """Predicted proportions (N, C), clipped to [0, 1] and then scaled to rows of sum 1; a row of zeros becomes 1/C."""
    clipped = np.clip(np.asarray(predicted, dtype=np.float64), 0, 1)
    sums = clipped.sum(axis=1, keepdims=True)
    return np.divide(clipped, sums, out=np.full_like(clipped, 1 / clipped.shape[1]), where=sums != 0)


def sum_error(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the labelled tiles of sum_c |p_c - q_c|, with p the normalised prediction: a float in [0, 2].

    predicted, truth: (N, C). NaN if no tile is labelled.
    """
    mask = labelled(truth)
    if not mask.any():
        return float("nan")
    return float(np.abs(normalised(predicted)[mask] - np.asarray(truth)[mask]).sum(axis=1).mean())
