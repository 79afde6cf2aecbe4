"""Hard mining: the closest negative and the farthest positive among admissible tiles.

Hermans et al. 2017, arXiv:1703.07737. In all functions ties take the lowest index, -1 stands for "no candidate", and
nothing carries a gradient.
"""

from typing import NamedTuple

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
    others = ~torch.eye(*distances.shape, dtype=torch.bool, device=distances.device)
    positive = _farthest(distances, positives & others)
    negative = _closest(distances, negatives & others)
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
    return _closest(distances[first], negatives[anchors] & negatives[first] & ~taken)


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
    find = _farthest if hardest == "positive" else _closest
    return find(distances, torch.ones_like(distances, dtype=torch.bool))


def _farthest(distances: Tensor, candidates: Tensor) -> Tensor:
    """Column of each row's largest distance (A, N) among its candidates (A, N) bool; -1 where it has none: (A,)."""
    return _column(torch.max, distances, candidates, -torch.inf)


def _closest(distances: Tensor, candidates: Tensor) -> Tensor:
    """Column of each row's smallest distance (A, N) among its candidates (A, N) bool; -1 where it has none: (A,)."""
    return _column(torch.min, distances, candidates, torch.inf)


def _column(find, distances: Tensor, candidates: Tensor, otherwise: float) -> Tensor:
    """Column of what torch.max or torch.min finds: of equals the first; `otherwise` stands where no candidate is."""
    distances = full_precision(distances)
    if not len(distances):
        return torch.empty(0, dtype=torch.int64, device=distances.device)
    limits = torch.finfo(distances.dtype)
    # clamped, so that even an infinite distance of a candidate is found before all that are none
    values, columns = find(torch.where(candidates, distances.clamp(limits.min, limits.max), otherwise), 1)
    if values.isnan().any():
        raise ValueError("Mining met a distance that is NaN: the embeddings have diverged. Lower the learning rate.")
    return columns.masked_fill_(values.isinf(), -1)
