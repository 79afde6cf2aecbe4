"""Selects the clusters of a batch for the supervised magnet loss (Rippel et al. 2015, arXiv:1511.05939, sec. 3.2)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

NEW_LOSS_WEIGHT = 0.2  # weight of a new batch in a cluster's running mean loss: about the last five batches count


class ClusterBatch(NamedTuple):
    """The tiles of one batch: n tiles in m clusters.

    Attributes:
        tiles: (n,) int64, indices into the tiles that the index was built on, without repetition, cluster by cluster
        clusters: (n,) int64, the cluster of each tile, numbered within the batch, 0..m-1
        cluster_classes: (m,) int64, the class of each cluster
        cluster_ids: (m,) int64, the number of each cluster in the index, 0..M-1; the seed cluster first
    """

    tiles: np.ndarray
    clusters: np.ndarray
    cluster_classes: np.ndarray
    cluster_ids: np.ndarray


@dataclass
class ClusterIndex:
    """M clusters of P tiles, each within one class, and the recent loss of each cluster.

    Attributes:
        assignment: (P,) int64, the cluster of each tile, 0..M-1
        centres: (M, D), mean embedding of each cluster
        classes: (M,) int64, the class of each cluster
        losses: (M,) float64, running mean of the loss of the cluster's tiles, initially 1
    """

    assignment: np.ndarray
    centres: np.ndarray
    classes: np.ndarray
    losses: np.ndarray

    @classmethod
    def build(
        cls, embeddings: np.ndarray, labels: np.ndarray, clusters_per_class: int, rng: np.random.Generator
    ) -> "ClusterIndex":
        """Build the index by k-means (with k-means++) within each class.

        Args:
            embeddings: (P, D) float
            labels: (P,) int, the class of each tile, without unlabelled tiles
            clusters_per_class: K; a class gets at most as many clusters as it has distinct embeddings
            rng: seeds k-means
        Raises:
            ValueError: the shapes do not match, there is no tile, or an embedding is not finite
        """
        _check(embeddings, labels, clusters_per_class)
        assignment = np.empty(len(labels), np.int64)
        centres: list[np.ndarray] = []
        classes: list[int] = []
        for label in np.unique(labels):
            tiles = np.flatnonzero(labels == label)
            own, own_centres = _kmeans(embeddings[tiles], clusters_per_class, rng)
            assignment[tiles] = own + len(classes)
            centres.append(own_centres)
            classes.extend([label] * len(own_centres))
        return cls(assignment, np.concatenate(centres), np.array(classes, np.int64), np.ones(len(classes)))

    def update(self, clusters: np.ndarray, values: np.ndarray) -> None:
        """Update the running mean losses with the losses of a batch.

        Args:
            clusters: (n,) int, the cluster of each tile, numbered in the index, 0..M-1
            values: (n,) float, the loss of each tile, >= 0
        Raises:
            ValueError: a loss is not finite, or below 0
        """
        values = np.asarray(values, np.float64)
        if not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError("The 'values' of ClusterIndex.update must be finite and >= 0: has the training diverged?")
        counts = np.bincount(clusters, minlength=len(self.losses))
        sums = np.bincount(clusters, values, minlength=len(self.losses))
        present = counts > 0
        self.losses[present] += NEW_LOSS_WEIGHT * (sums[present] / counts[present] - self.losses[present])

    def draw(self, m: int, d: int, rng: np.random.Generator) -> ClusterBatch:
        """Draw a batch: a seed cluster, in proportion to its loss, and its m - 1 nearest clusters of other classes.

        Clusters of a single tile, which is its own mean, are used only if there are too few other clusters.

        Args:
            m: number of clusters; fewer if there are not enough clusters of other classes
            d: number of distinct tiles of each cluster; fewer if the cluster is smaller
            rng: generator for the seed cluster and the tiles
        Raises:
            ValueError: m or d is below 1
        """
        if m < 1 or d < 1:
            raise ValueError(f"The 'm' and 'd' parameters of ClusterIndex.draw must be >= 1. Got {m} and {d} instead.")
        ids = self._clusters_of_batch(m, rng)
        members = [np.flatnonzero(self.assignment == i) for i in ids]
        tiles = [rng.permutation(own)[:d] for own in members]
        clusters = np.repeat(np.arange(len(ids)), [len(own) for own in tiles])
        return ClusterBatch(np.concatenate(tiles), clusters, self.classes[ids], ids)

    def _clusters_of_batch(self, m: int, rng: np.random.Generator) -> np.ndarray:
        """Return cluster ids (m,) or fewer: the seed cluster, then others by distance, those of a single tile last."""
        single = np.bincount(self.assignment, minlength=len(self.losses)) < 2
        eligible = ~single | single.all()
        weights = eligible * self.losses
        if not weights.any():  # all losses are 0: every cluster is equally likely
            weights = eligible
        seed = rng.choice(len(weights), p=weights / weights.sum())
        distances = np.square(self.centres - self.centres[seed]).sum(1)
        order = np.lexsort((distances, single))
        others = order[self.classes[order] != self.classes[seed]]
        return np.append(seed, others[: m - 1])


def _kmeans(embeddings: np.ndarray, number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster of each row (n,), 0..k-1, and the centres (k, D), with k <= number and no empty cluster."""
    number = min(number, len(np.unique(embeddings, axis=0)))
    with threadpool_limits(1, user_api="openmp"):  # several threads would sum in a random order
        kmeans = KMeans(number, n_init=1, random_state=int(rng.integers(2**31))).fit(embeddings)
    present, own = np.unique(kmeans.labels_, return_inverse=True)
    return own, kmeans.cluster_centers_[present]


def _check(embeddings: np.ndarray, labels: np.ndarray, clusters_per_class: int) -> None:
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1] or not len(labels):
        raise ValueError(
            "ClusterIndex.build needs embeddings (P, D) and labels (P,) of at least one tile. "
            f"Got {embeddings.shape} and {labels.shape} instead."
        )
    if clusters_per_class < 1:
        raise ValueError(
            f"The 'clusters_per_class' parameter of ClusterIndex.build must be >= 1. Got {clusters_per_class} instead."
        )
    if not np.isfinite(embeddings).all():
        raise ValueError("ClusterIndex.build got an embedding that is not finite: has the training diverged?")
