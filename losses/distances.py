"""Distances between embeddings, in float32 or wider whatever the input's type.

The squared Euclidean distance is SUMMED over the D dimensions, so it is in [0, 4] between embeddings of unit L2 norm.
"""

import torch
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """The tensor in float32, or as it is where its type is wider: half precision ties distances that differ."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distance of each row of x (..., D) to the same row of y (..., D): (...)."""
    return (full_precision(x) - full_precision(y)).square().sum(-1)


def euclidean_distances(x: Tensor, y: Tensor) -> Tensor:
    """Distance of each row of x (..., D) to the same row of y (..., D): (...). Its gradient at distance 0 is 0."""
    # the norm, and not the root of a sum of squares: the root's slope at 0 is infinite, and NaN after the chain rule
    return torch.linalg.vector_norm(full_precision(x) - full_precision(y), dim=-1)


def pairwise_squared_distances(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Squared distance of every row of x (A, D) to every row of y (N, D), or of x itself where y is None: (A, N)."""
    x = full_precision(x)
    y = x if y is None else full_precision(y)
    # by differences: |x|^2 + |y|^2 - 2xy cancels, and gives near rows distances below 0. No (A, N, D) table is held
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
