"""VICReg: a loss of pairs, without negatives."""

import torch
from torch import Tensor

from losses.base import Loss, check_positive, check_tuples
from losses.distances import full_precision

EPSILON = 1e-4  # added to a variance before its root, as in the paper: the root's slope at 0 is infinite
MIN_DEVIATION = 1.0  # of each dimension over a batch; below it the variance term pushes


class VICRegLoss(Loss):
    """Pulls the tiles of a pair together while every dimension keeps varying and dimensions stay uncorrelated.

    Bardes et al. 2022, arXiv:2105.04906, for B pairs of embeddings a and p of D dimensions:

        l_i = invariance (1/D) sum_d (a_id - p_id)^2
              + variance (v(a) + v(p)) / 2     v(z) = mean over d of max(0, 1 - sqrt(Var(z_d) + 1e-4))
              + covariance (c(a) + c(p)) / 2   c(z) = (1/D) sum of the squared covariances of different dimensions

    Variances and covariances are those of the batch, so both terms are the same for every pair. The paper adds v(a)
    and v(p); here their mean is taken, and likewise of c. No tile is pushed away from another: two far tiles of the
    same land are not held apart. Embeddings must not be scaled to length 1, or the deviations cannot reach 1.

    Args:
        invariance, variance, covariance: weights of the three terms, > 0
    Raises:
        ValueError: a weight is not positive
    """

    def __init__(self, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0):
        super().__init__()
        self.invariance = check_positive("VICRegLoss", "invariance", invariance)
        self.variance = check_positive("VICRegLoss", "variance", variance)
        self.covariance = check_positive("VICRegLoss", "covariance", covariance)

    def terms(self, anchor: Tensor, positive: Tensor) -> Tensor:
        """Return the loss of each pair (B,), from two tensors of embeddings (B, D) with a row per pair, B >= 2."""
        check_tuples("VICRegLoss", anchor=anchor, positive=positive)
        if len(anchor) < 2:
            raise ValueError(f"VICRegLoss needs at least two pairs. Got {len(anchor)} instead.")
        anchor, positive = full_precision(anchor), full_precision(positive)
        distances = (anchor - positive).square().mean(1)
        spread = (variance_term(anchor) + variance_term(positive)) / 2
        correlation = (covariance_term(anchor) + covariance_term(positive)) / 2
        return self.invariance * distances + self.variance * spread + self.covariance * correlation


def variance_term(embeddings: Tensor) -> Tensor:
    """Return the mean over the dimensions of max(0, 1 - deviation), of embeddings (B, D)."""
    deviations = (embeddings.var(0) + EPSILON).sqrt()
    return torch.relu(MIN_DEVIATION - deviations).mean()


def covariance_term(embeddings: Tensor) -> Tensor:
    """Return the sum of the squared covariances of different dimensions, divided by D, of embeddings (B, D)."""
    centred = embeddings - embeddings.mean(0)
    covariances = centred.T @ centred / (len(embeddings) - 1)  # (D, D)
    return (covariances.square().sum() - covariances.diagonal().square().sum()) / embeddings.shape[1]
