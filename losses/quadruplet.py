"""Quadruplet loss."""

from torch import Tensor

from losses.base import Loss, check_positive, check_tuples
from losses.distances import euclidean_distances, squared_distances
from losses.triplet import hinge, softmax_ratio


class QuadrupletLoss(Loss):
    """Triplet loss that also keeps two negatives farther from each other than the positive is from the anchor.

    l = max(0, d(a, p) - d(a, n1) + margin) + max(0, d(a, p) - d(n2, n1) + margin2), d the squared Euclidean distance;
    Chen et al. 2017, arXiv:1704.01719. With `alt_loss` both terms are softmax ratios: 2 q1^2 + 2 q2^2
    (see TripletLoss). n1 and n2 must be far from the anchor and from each other (by label: three different labels).

    Args:
        margin: margin of the first term, in squared distance, > 0; unused if `alt_loss` is True
        margin2: margin of the second term, > 0; None: half the margin; unused if `alt_loss` is True
        alt_loss: whether to use the softmax ratios
    Raises:
        ValueError: a margin is not positive
    """

    def __init__(self, margin: float, margin2: float | None = None, alt_loss: bool = False):
        super().__init__()
        self.margin = check_positive("QuadrupletLoss", "margin", margin)
        self.margin2 = check_positive("QuadrupletLoss", "margin2", margin / 2 if margin2 is None else margin2)
        self.alt_loss = alt_loss

    def terms(self, anchor: Tensor, positive: Tensor, negative: Tensor, negative2: Tensor) -> Tensor:
        """Return the loss of each quadruplet (B,), from four tensors of embeddings (B, D) with a row per quadruplet."""
        check_tuples("QuadrupletLoss", anchor=anchor, positive=positive, negative=negative, negative2=negative2)
        distances = euclidean_distances if self.alt_loss else squared_distances
        near, far, between = distances(anchor, positive), distances(anchor, negative), distances(negative2, negative)
        if self.alt_loss:
            return softmax_ratio(near, far) + softmax_ratio(near, between)
        return hinge(near, far, self.margin) + hinge(near, between, self.margin2)
