"""Which pairs of tiles a step used, and how many of them the label map contradicts.

Only for people to look at: it draws no random numbers, changes no tensor, and training never sees its result.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

ReadLabels = Callable[[np.ndarray], np.ndarray]  # positions (N, 2) -> class of each tile (N,), -1: unlabelled


class UsedPairs(NamedTuple):
    """The pairs of tiles that a step drew together, and those that it pushed apart, after mining.

    Attributes:
        positions: (T, 2) of the tiles
        positive, negative: (2, n) int64, the two tiles of each pair, as indices of `positions`
    """

    positions: np.ndarray
    positive: np.ndarray
    negative: np.ndarray


def pairs_of_tuples(positions: np.ndarray, rows: list[np.ndarray]) -> UsedPairs:
    """Return the pairs of tuples: anchor and positive; anchor and negative; both negatives, as far as there are any.

    Args:
        positions: (T, 2) of the tiles
        rows: for each role, anchor, positive and up to two negatives, the tiles (B,) that have it
    """
    anchors, positives, *negatives = rows
    none = np.empty((2, 0), np.int64)
    apart = [none] + [np.stack(pair) for pair in zip([anchors, *negatives], negatives)]
    return UsedPairs(positions, np.stack([anchors, positives]), np.concatenate(apart, 1))


def false_shares(pairs: UsedPairs, read_labels: ReadLabels) -> dict[str, float]:
    """Return the shares in [0, 1] of pairs whose labels contradict how they were used.

    "false_negatives" is the share of pairs used as negatives that are of one class, "false_positives" that of pairs
    used as positives that are of two. Pairs with an unlabelled tile do not count; a share of no pairs is left out.
    """
    used = np.unique(np.concatenate([pairs.positive, pairs.negative], 1))
    labels = np.full(len(pairs.positions), -1)
    labels[used] = read_labels(pairs.positions[used])
    contradictions = {
        "false_negatives": (labels[pairs.negative], np.equal),
        "false_positives": (labels[pairs.positive], np.not_equal),
    }
    known = {name: (pair[:, (pair >= 0).all(0)], compare) for name, (pair, compare) in contradictions.items()}
    return {name: float(compare(*pair).mean()) for name, (pair, compare) in known.items() if pair.size}
