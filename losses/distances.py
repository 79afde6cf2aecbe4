"""Distances between embeddings, always in float32 or wider.

The squared Euclidean distance is SUMMED over the D dimensions, so it is in [0, 4] for embeddings of unit L2 norm.
"""

import numpy as np
import torch
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """Return the tensor in float32 or its own wider type: in half precision, different distances become equal."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared distance (...) of each row of x (..., D) to the same row of y (..., D)."""
    difference = full_precision(x) - full_precision(y)
    return (difference * difference).sum(-1)  # faster than .square(), whose gradient computes a power


def euclidean_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance (...) of each row of x (..., D) to the same row of y (..., D). Its gradient at 0 is 0."""
    # not the root of a sum of squares: its slope at 0 is infinite, which becomes NaN in the chain rule
    return torch.linalg.vector_norm(full_precision(x) - full_precision(y), dim=-1)


def pairwise_squared_distances(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Return the squared distances (A, N) of every row of x (A, D) to every row of y (N, D); y = None: of x to itself.

    The distance of equal rows is exactly 0.
    """
    x = full_precision(x)
    if y is None and x.device.type == "cpu" and not x.requires_grad:
        return _distances_within(x)
    y = x if y is None else full_precision(y)
    # from differences: |x|^2 + |y|^2 - 2xy loses precision and may be negative. Never allocates a (A, N, D) table
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()


def _distances_within(x: Tensor) -> Tensor:
    """Return the squared distances (N, N) of rows (N, D), from differences: on a CPU much faster than cdist."""
    table = np.zeros((len(x), len(x)), x.numpy().dtype)
    table[~np.tri(len(x), dtype=bool)] = torch.pdist(x).square_().numpy()  # above the diagonal, row by row
    upper = torch.from_numpy(table)
    return upper + upper.T
