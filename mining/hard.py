"""Hard mining: the closest negative and the farthest positive among admissible tiles.

Hermans et al. 2017, arXiv:1703.07737. In all functions ties take the lowest index, -1 stands for "no candidate", and
nothing carries a gradient. Tables are searched by NumPy on the CPU, whose calls cost less and whose argmax is faster.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from losses.distances import full_precision, squared_distances


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


@torch.no_grad()
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
    positive = _farthest(distances, _others(positives))
    negative = _farthest(-distances, _others(negatives))
    return Hardest(positive, negative, (positive >= 0) & (negative >= 0))


@torch.no_grad()
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
    first = first_negatives.clamp(min=0)
    tiles = torch.arange(len(distances), device=distances.device)
    taken = (tiles == anchors[:, None]) | (tiles == first[:, None]) | (first_negatives < 0)[:, None]  # (B, N)
    allowed = negatives[anchors] & negatives[first] & ~taken
    return _farthest(-distances[first], allowed.cpu().numpy())


@torch.no_grad()
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
    distances = squared_distances(anchor[:, None], candidates)  # (B, T)
    signed = distances if hardest == "positive" else -distances
    return _farthest(signed, np.ones(signed.shape, bool))


def _others(mask: Tensor) -> np.ndarray:
    """The mask (A, N) without the anchors themselves."""
    others = mask.cpu().numpy().copy()
    np.fill_diagonal(others, False)
    return others


def _farthest(distances: Tensor, candidates: np.ndarray) -> Tensor:
    """Column (A,) of each row's largest distance (A, N) among its candidates (A, N) bool; -1 where it has none.

    The closest is the farthest by the distances' negatives.
    """
    table = full_precision(distances).detach().cpu().numpy()
    if not table.size:
        return torch.full((len(table),), -1, device=distances.device)
    table = np.where(candidates, table, -np.inf)
    columns = table.argmax(1)  # the first of equals
    farthest = table[np.arange(len(columns)), columns]
    if np.isnan(farthest).any():
        raise ValueError("Mining met a distance that is NaN: the embeddings have diverged. Lower the learning rate.")
    no_other = farthest == -np.inf  # there is no candidate, or each is infinitely far: then the first
    if no_other.any():
        columns[no_other] = np.where(candidates[no_other].any(1), candidates[no_other].argmax(1), -1)
    return torch.from_numpy(columns).to(distances.device)
