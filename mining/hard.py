"""Hard mining: the closest negative and the farthest positive among admissible tiles.

Hermans et al. 2017, arXiv:1703.07737. In all functions ties take the lowest index, -1 means "no candidate", and results
have no gradient. Tables are searched by NumPy on the CPU, because its calls cost less and its argmax is faster.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from losses.distances import full_precision, squared_distances

NEGATIVE_INFINITY = np.float32(-np.inf)


class Hardest(NamedTuple):
    """Result of batch_hard for A anchors.

    Attributes:
        positive: (A,) int64, index of the farthest admissible positive, -1: none
        negative: (A,) int64, index of the closest admissible negative, -1: none
        valid: (A,) bool, whether both exist
    """

    positive: Tensor
    negative: Tensor
    valid: Tensor


def batch_hard(distances: Tensor, positives: Tensor, negatives: Tensor) -> Hardest:
    """Return the farthest positive and the closest negative of each anchor among the admissible tiles of the batch.

    Args:
        distances: (A, N) float; anchor i is tile i of the batch, so with (N, N) every tile is an anchor
        positives: (A, N) bool, which tiles may be the anchor's positive; the anchor itself is always excluded
        negatives: (A, N) bool, the same for negatives
    Raises:
        ValueError: the shapes differ, or an admissible pair's distance is NaN
    """
    if not distances.shape == positives.shape == negatives.shape:
        raise ValueError(
            "batch_hard needs distances, positives and negatives of one shape (A, N). "
            f"Got {tuple(distances.shape)}, {tuple(positives.shape)} and {tuple(negatives.shape)} instead."
        )
    table = _table(distances)
    positive = _farthest(table, _array(positives), exclude_own=True)
    negative = _farthest(-table, _array(negatives), exclude_own=True)
    arrays = positive, negative, (positive >= 0) & (negative >= 0)
    return Hardest(*(torch.from_numpy(array).to(distances.device) for array in arrays))


def second_negative(distances: Tensor, negatives: Tensor, anchors: Tensor, first_negatives: Tensor) -> Tensor:
    """Return the quadruplets' second negatives: admissible for anchor and first negative, and closest to the latter.

    Args:
        distances: (N, N) float
        negatives: (N, N) bool, which tiles (columns) may be the negative of which tiles (rows)
        anchors: (B,) int, indices of the anchors in the batch
        first_negatives: (B,) int, indices of the first negatives in the batch; -1: none
    Returns:
        (B,) int64 indices, -1: none; never the anchor or the first negative
    Raises:
        ValueError: a distance to a candidate is NaN
    """
    admissible, own, given = _array(negatives), _array(anchors), _array(first_negatives)
    first = given.clip(0)
    tiles = np.arange(len(distances))
    taken = (tiles == own[:, None]) | (tiles == first[:, None]) | (given < 0)[:, None]  # (B, N)
    columns = _farthest(-_table(distances)[first], admissible[own] & admissible[first] & ~taken)
    return torch.from_numpy(columns).to(distances.device)


def random_hard(anchor: Tensor, candidates: Tensor, hardest: str) -> Tensor:
    """Return the hardest of T candidates for each anchor; all candidates must be admissible.

    Args:
        anchor: (B, D) embeddings
        candidates: (B, T, D) embeddings
        hardest: "negative" for the closest candidate, "positive" for the farthest
    Returns:
        (B,) int64 indices into the T candidates
    Raises:
        ValueError: `hardest` is another word, or a distance is NaN
    """
    if hardest not in ("negative", "positive"):
        raise ValueError(f"The 'hardest' parameter of random_hard must be 'negative' or 'positive'. Got {hardest!r}.")
    table = _table(squared_distances(anchor.detach()[:, None], candidates.detach()))  # (B, T)
    signed = table if hardest == "positive" else -table
    return torch.from_numpy(_farthest(signed, np.ones(signed.shape, bool))).to(anchor.device)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.numpy(force=True)


def _table(distances: Tensor) -> np.ndarray:
    return _array(full_precision(distances.detach()))


def _farthest(table: np.ndarray, candidates: np.ndarray, exclude_own: bool = False) -> np.ndarray:
    """Return the column (A,) of the largest distance of each row of a table (A, N) among its candidates; -1: none.

    With `exclude_own`, row i is tile i, and column i is excluded. To find the closest tile, pass negative distances.
    """
    if not table.size:
        return np.full(len(table), -1)
    table = np.where(candidates, table, NEGATIVE_INFINITY)
    tiles = table.shape[1]
    if exclude_own:
        np.fill_diagonal(table[:tiles], NEGATIVE_INFINITY)
    columns = table.argmax(1)  # of equal distances the first
    farthest = table[np.arange(len(columns)), columns]
    if not np.isfinite(farthest).all():
        _resolve_infinite(columns, farthest, candidates, exclude_own)
    return columns


def _resolve_infinite(columns: np.ndarray, farthest: np.ndarray, candidates: np.ndarray, exclude_own: bool) -> None:
    """Correct the rows without a finite distance: the first candidate, or -1 if there is no candidate."""
    if np.isnan(farthest).any():
        raise ValueError(
            "A distance in hard mining is NaN: the training has diverged. Choose a smaller 'learning_rate'."
        )
    rows = np.flatnonzero(farthest == NEGATIVE_INFINITY)
    possible = candidates[rows]
    if exclude_own:
        possible[rows[:, None] == np.arange(possible.shape[1])] = False
    columns[rows] = np.where(possible.any(1), possible.argmax(1), -1)
