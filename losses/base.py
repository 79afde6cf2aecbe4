"""Base class of all losses: one term per tuple or tile, reduced to the mean of the terms."""

import math
from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class Loss(nn.Module, ABC):
    """Base class: a subclass computes `terms`, and `forward` returns their mean.

    To log the share of active terms (> 0), or the loss of each cluster, call `terms` and `mean` separately.
    """

    @abstractmethod
    def terms(self, *args: Any, **kwargs: Any) -> Tensor:  # every subclass names its own inputs
        """Return one value >= 0 per tuple (B,) or per tile (n,), in float32 or wider."""

    @staticmethod
    def mean(terms: Tensor) -> Tensor:
        """Return the scalar mean of the terms; without any term 0, which still has a gradient."""
        return terms.mean() if len(terms) else terms.sum()

    def forward(self, *inputs: Tensor | None) -> Tensor:
        """Return the scalar loss; the inputs are those of `terms`."""
        return self.mean(self.terms(*inputs))


def check_positive(owner: str, name: str, value: float) -> float:
    """Return the value. Raise ValueError unless it is positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"The '{name}' parameter of {owner} must be > 0 and finite. Got {value} instead.")
    return value


def check_not_negative(owner: str, name: str, value: float) -> float:
    """Return the value. Raise ValueError unless it is 0 or positive, and finite."""
    if not 0 <= value < math.inf:
        raise ValueError(f"The '{name}' parameter of {owner} must be >= 0 and finite. Got {value} instead.")
    return value


def check_tuples(owner: str, **embeddings: Tensor) -> None:
    """Raise ValueError unless all embeddings have the same shape (B, D): broadcasting would hide a wrong batch."""
    shapes = [tensor.shape for tensor in embeddings.values()]
    if len(shapes[0]) != 2 or shapes.count(shapes[0]) < len(shapes):
        given = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in embeddings.items())
        raise ValueError(f"{owner} needs embeddings of one shape (B, D), a row for each tuple. Got {given} instead.")
