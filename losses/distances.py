"""Distances between embeddings, in float32 or wider whatever the input's type.

The squared Euclidean distance is SUMMED over the D dimensions, so it is in [0, 4] between embeddings of unit L2 norm.
"""

import numpy as np
import torch
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """The tensor in float32, or as it is where its type is wider: half precision ties distances that differ."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distance of each row of x (..., D) to the same row of y (..., D): (...)."""
    difference = full_precision(x) - full_precision(y)
    return (difference * difference).sum(-1)  # the square's gradient takes a power


def euclidean_distances(x: Tensor, y: Tensor) -> Tensor:
    """Distance of each row of x (..., D) to the same row of y (..., D): (...). Its gradient at distance 0 is 0."""
    # the norm, and not the root of a sum of squares: the root's slope at 0 is infinite, and NaN after the chain rule
    return torch.linalg.vector_norm(full_precision(x) - full_precision(y), dim=-1)


def pairwise_squared_distances(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Squared distance of every row of x (A, D) to every row of y (N, D), or of x itself where y is None: (A, N).

    Equal rows are exactly 0 apart.
    """
    x = full_precision(x)
    if y is None and x.device.type == "cpu" and not x.requires_grad:
        return _each_pair_once(x)
    y = x if y is None else full_precision(y)
    # by differences: |x|^2 + |y|^2 - 2xy cancels, and gives near rows distances below 0. No (A, N, D) table is held
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()


def _each_pair_once(x: Tensor) -> Tensor:
    """Squared distances (N, N) of rows (N, D), by differences too: on a CPU many times as fast as cdist."""
    table = np.zeros((len(x), len(x)), x.numpy().dtype)
    table[~np.tri(len(x), dtype=bool)] = torch.pdist(x).square_().numpy()  # above the diagonal, row by row
    upper = torch.from_numpy(table)
    return upper + upper.T
