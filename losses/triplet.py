"""Triplet loss."""

import torch
from torch import Tensor

from losses.base import Loss, check_positive, check_tuples
from losses.distances import euclidean_distances, squared_distances


class TripletLoss(Loss):
    """Keeps the negative farther from the anchor than the positive, by a margin.

    l = max(0, d(a, p) - d(a, n) + margin), d the squared Euclidean distance; Wang et al. 2014, arXiv:1404.4661.
    With `alt_loss` the softmax ratio of the plain distances, Hoffer & Ailon 2015, arXiv:1412.6622: l = 2 q^2 with
    q = sigmoid(||a - p|| - ||a - n||), in [0, 2], and 0.5 if both distances are equal.

    Args:
        margin: in squared distance, > 0; unused if `alt_loss` is True
        alt_loss: whether to use the softmax ratio
    Raises:
        ValueError: the margin is not positive
    """

    def __init__(self, margin: float, alt_loss: bool = False):
        super().__init__()
        self.margin = check_positive("TripletLoss", "margin", margin)
        self.alt_loss = alt_loss

    def terms(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Return the loss of each triplet (B,), from three tensors of embeddings (B, D) with a row per triplet."""
        check_tuples("TripletLoss", anchor=anchor, positive=positive, negative=negative)
        if self.alt_loss:
            return softmax_ratio(euclidean_distances(anchor, positive), euclidean_distances(anchor, negative))
        return hinge(squared_distances(anchor, positive), squared_distances(anchor, negative), self.margin)


def hinge(near: Tensor, far: Tensor, margin: float) -> Tensor:
    """Return max(0, near - far + margin), elementwise; its slope at 0 is 0."""
    return torch.relu(near - far + margin)


def softmax_ratio(near: Tensor, far: Tensor) -> Tensor:
    """Return 2 q^2, elementwise, with q = exp(near) / (exp(near) + exp(far)), without exponentials of distances."""
    return 2 * torch.sigmoid(near - far).square()
