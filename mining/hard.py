"""Hard mining: the closest negative and the farthest positive among admissible tiles.

Hermans et al. 2017, arXiv:1703.07737. In all functions ties take the lowest index, -1 stands for "no candidate", and
nothing carries a gradient. Tables are searched by NumPy on the CPU, whose calls cost less and whose argmax is faster.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from losses.distances import full_precision, squared_distances

NEGATIVE_INFINITY = np.float32(-np.inf)


class Hardest(NamedTuple):
    """What batch_hard found for each of A anchors.

    Attributes:
        positive: (A,) int64, index of the farthest admissible positive, -1 where there is none
        negative: (A,) int64, index of the closest admissible negative, -1 where there is none
        valid: (A,) bool, both were found
    """

    positive: Tensor
    negative: Tensor
    valid: Tensor


def batch_hard(distances: Tensor, positives: Tensor, negatives: Tensor) -> Hardest:
    """The farthest positive and the closest negative of each anchor among the batch's admissible tiles.

    Args:
        distances: (A, N) float; anchor i is tile i of the batch, so that (N, N) mines for every tile
        positives: (A, N) bool, which tiles may be the anchor's positive; the anchor itself never is
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
    positive = _farthest(table, _array(positives), but_own=True)
    negative = _farthest(-table, _array(negatives), but_own=True)
    found = positive, negative, (positive >= 0) & (negative >= 0)
    return Hardest(*(torch.from_numpy(array).to(distances.device) for array in found))


def second_negative(distances: Tensor, negatives: Tensor, anchors: Tensor, first_negatives: Tensor) -> Tensor:
    """The quadruplet's second negative: admissible to the anchor and to the first negative, and closest to the latter.

    Args:
        distances: (N, N) float
        negatives: (N, N) bool, which tiles may be whose negative
        anchors: (B,) int, the anchors' indices in the batch
        first_negatives: (B,) int, the first negatives' indices; -1 where there is none
    Returns:
        (B,) int64 index, -1 where there is none; never the anchor or the first negative
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
    """The hardest of each anchor's own T candidates, all of them admissible.

    Args:
        anchor: (B, D) embeddings
        candidates: (B, T, D) embeddings
        hardest: "negative" for the closest candidate, "positive" for the farthest
    Returns:
        (B,) int64 index into the T candidates
    Raises:
        ValueError: `hardest` is neither, or a distance is NaN
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


def _farthest(table: np.ndarray, candidates: np.ndarray, but_own: bool = False) -> np.ndarray:
    """Column (A,) of each row's largest distance (A, N) among its candidates (A, N) bool; -1 where it has none.

    With `but_own` row i is tile i, which is no candidate of its own. The closest is the farthest by negative distances.
    """
    if not table.size:
        return np.full(len(table), -1)
    table = np.where(candidates, table, NEGATIVE_INFINITY)
    tiles = table.shape[1]
    if but_own:
        np.fill_diagonal(table[:tiles], NEGATIVE_INFINITY)
    columns = table.argmax(1)  # the first of equals
    farthest = table[np.arange(len(columns)), columns]
    if not np.isfinite(farthest).all():
        _settle_infinite(columns, farthest, candidates, but_own)
    return columns


def _settle_infinite(columns: np.ndarray, farthest: np.ndarray, candidates: np.ndarray, but_own: bool) -> None:
    """Where no finite distance was found there is no candidate, or each is infinitely far: then the first of them."""
    if np.isnan(farthest).any():
        raise ValueError("Mining met a distance that is NaN: the embeddings have diverged. Lower the learning rate.")
    rows = np.flatnonzero(farthest == NEGATIVE_INFINITY)
    left = candidates[rows]
    if but_own:
        left[rows[:, None] == np.arange(left.shape[1])] = False
    columns[rows] = np.where(left.any(1), left.argmax(1), -1)
