"""What all losses share: one term per tuple or tile, reduced to their mean."""

import math
from abc import ABC, abstractmethod

from torch import Tensor, nn


class Loss(nn.Module, ABC):
    """Base class: a loss writes its `terms`, and its value is their mean.

    `forward` is `mean` of `terms`. To log which share of the terms is active (> 0), or the loss of each cluster,
    call the two yourself.
    """

    @abstractmethod
    def terms(self, *inputs: Tensor | None) -> Tensor:
        """One value >= 0 per tuple (B,) or per tile (n,), float32 or wider."""

    @staticmethod
    def mean(terms: Tensor) -> Tensor:
        """Scalar mean of the terms; of no term it is 0, through which gradients still flow."""
        return terms.mean() if len(terms) else terms.sum()

    def forward(self, *inputs: Tensor | None) -> Tensor:
        """Scalar loss of the inputs that `terms` describes."""
        return self.mean(self.terms(*inputs))


def positive_parameter(owner: str, name: str, value: float) -> float:
    """The value itself, once it is known to be positive and finite; ValueError otherwise."""
    if not 0 < value < math.inf:
        raise ValueError(f"The '{name}' parameter of {owner} must be > 0 and finite. Got {value} instead.")
    return value


def check_tuples(owner: str, **embeddings: Tensor) -> None:
    """Raise ValueError unless all embeddings have one shape (B, D): broadcasting would hide a wrong batch."""
    shapes = [tensor.shape for tensor in embeddings.values()]
    if len(shapes[0]) != 2 or shapes.count(shapes[0]) < len(shapes):
        found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in embeddings.items())
        raise ValueError(f"{owner} needs embeddings of one shape (B, D), a row for each tuple. Got {found} instead.")
