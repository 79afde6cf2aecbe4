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
    candidates = torch.stack([positives, negatives])  # (2, A, N)
    candidates.diagonal(dim1=1, dim2=2).fill_(False)
    hardest = _farthest(torch.stack([distances, -distances]), candidates)  # (2, A)
    return Hardest(*hardest, (hardest >= 0).all(0))


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
    return _farthest(-distances[first], negatives[anchors] & negatives[first] & ~taken)


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
    return _farthest(signed, torch.ones_like(signed, dtype=torch.bool))


def _farthest(distances: Tensor, candidates: Tensor) -> Tensor:
    """Column (...,) of each row's largest distance (..., N) among its candidates (..., N) bool; -1 where it has none.

    The closest is the farthest by the distances' negatives.
    """
    distances = full_precision(distances)
    if not distances.numel():
        return torch.full(distances.shape[:-1], -1, device=distances.device)
    limits = torch.finfo(distances.dtype)
    # clamped, so that even an infinite distance of a candidate is found before all that are none
    clamped = distances.clamp(limits.min, limits.max)
    farthest, columns = torch.where(candidates, clamped, -torch.inf).max(-1)  # of equals the first
    if farthest.isnan().any():
        raise ValueError("Mining met a distance that is NaN: the embeddings have diverged. Lower the learning rate.")
    return columns.masked_fill_(farthest == -torch.inf, -1)
