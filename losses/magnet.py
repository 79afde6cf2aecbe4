"""Magnet loss."""

import math

import torch
from torch import Tensor

from losses.base import Loss, check_positive
from losses.distances import full_precision, pairwise_squared_distances

MIN_VARIANCE = 1e-12  # below it the clusters are points, and their variance is only rounding noise


class MagNetLoss(Loss):
    """Pulls tiles to the mean of their own cluster, and pushes them away from the means of clusters of other classes.

    Rippel et al. 2015, arXiv:1511.05939, eq. 5, for n tiles r_i in clusters with the means mu:

        variance = sum_i ||r_i - mu_own||^2 / (n - 1), a scalar, around the mean of the OWN cluster (around the batch
                   mean it would grow with the distance between clusters, and the loss would never reach 0)
        l_i = max(0, ||r_i - mu_own||^2 / (2 variance) + margin
                     + logsumexp over the clusters m of other classes of -||r_i - mu_m||^2 / (2 variance))

    Gradients flow through the means and the variance. If there is no cluster of another class, every l_i is 0.

    Args:
        margin: the gap alpha of the paper, in units of log odds, > 0
    Raises:
        ValueError: the margin is not positive
    """

    def __init__(self, margin: float):
        super().__init__()
        self.margin = check_positive("MagNetLoss", "margin", margin)

    def terms(self, embeddings: Tensor, clusters: Tensor, cluster_classes: Tensor | None = None) -> Tensor:
        """Return the loss of each tile.

        Args:
            embeddings: (n, D)
            clusters: (n,) int, the cluster of each tile, 0..M-1; clusters without a tile are ignored
            cluster_classes: (M,) int, the class of each cluster; None: every cluster is its own class
        Returns:
            (n,) in the order of the embeddings
        Raises:
            ValueError: the shapes do not match, or a cluster is not in 0..M-1
        """
        embeddings = full_precision(embeddings)
        present, own, counts = clusters.unique(return_inverse=True, return_counts=True)  # (P,): clusters with a tile
        _check(embeddings, clusters, present, cluster_classes)
        sums = embeddings.new_zeros(len(present), embeddings.shape[1]).index_add(0, own, embeddings)
        distances = pairwise_squared_distances(embeddings, sums / counts[:, None])  # (n, P), to the means
        own_distances = distances.gather(1, own[:, None])[:, 0]
        variance = (own_distances.sum() / max(len(own) - 1, 1)).clamp(min=MIN_VARIANCE)
        classes = present if cluster_classes is None else cluster_classes[present]
        same_class = classes[own][:, None] == classes  # (n, P)
        # without another class the sum is log 0 = -inf, and the hinge returns 0 with gradient 0
        impostors = (-distances / (2 * variance)).masked_fill(same_class, -torch.inf).logsumexp(1)  # (n,)
        return torch.relu(own_distances / (2 * variance) + self.margin + impostors)


def _check(embeddings: Tensor, clusters: Tensor, present: Tensor, cluster_classes: Tensor | None) -> None:
    if embeddings.ndim != 2 or clusters.shape != embeddings.shape[:1]:
        raise ValueError(
            "MagNetLoss needs embeddings (n, D) and clusters (n,), a row for each tile. "
            f"Got {tuple(embeddings.shape)} and {tuple(clusters.shape)} instead."
        )
    number = math.inf if cluster_classes is None else len(cluster_classes)
    lowest, highest = present[[0, -1]].tolist() if len(present) else (0, 0)
    if not 0 <= lowest <= highest < number:
        raise ValueError(
            "The 'clusters' of MagNetLoss must be in 0..M-1, with M the length of 'cluster_classes' if given. "
            f"Got {lowest} to {highest} for M = {number} instead."
        )
