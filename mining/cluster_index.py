"""Which clusters form a batch of the supervised magnet loss (Rippel et al. 2015, arXiv:1511.05939, sec. 3.2)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

NEWEST_WEIGHT = 0.2  # of a batch's mean loss in a cluster's running mean: about the last five batches count


class ClusterBatch(NamedTuple):
    """Tiles of one batch: n tiles in m clusters.

    Attributes:
        tiles: (n,) int64, indices into the tiles the index was built on, each once, cluster by cluster
        clusters: (n,) int64, the tile's cluster as a position in the batch, 0..m-1
        cluster_classes: (m,) int64, the clusters' classes
        cluster_ids: (m,) int64, the clusters in the index, 0..M-1; the seed cluster first
    """

    tiles: np.ndarray
    clusters: np.ndarray
    cluster_classes: np.ndarray
    cluster_ids: np.ndarray


@dataclass
class ClusterIndex:
    """M clusters of P tiles, each within one class, and how hard each was of late.

    Attributes:
        assignment: (P,) int64, the cluster of each tile, 0..M-1
        centres: (M, D), mean embedding of each cluster
        classes: (M,) int64, class of each cluster
        losses: (M,) float64, running mean of the loss of the cluster's tiles, 1 at first
    """

    assignment: np.ndarray
    centres: np.ndarray
    classes: np.ndarray
    losses: np.ndarray

    @classmethod
    def build(
        cls, embeddings: np.ndarray, labels: np.ndarray, clusters_per_class: int, rng: np.random.Generator
    ) -> "ClusterIndex":
        """K-means (with k-means++) within each class.

        Args:
            embeddings: (P, D) float
            labels: (P,) int, class of each tile; leave unlabelled tiles out before
            clusters_per_class: K; a class gets at most as many clusters as it has distinct embeddings
            rng: seeds k-means
        Raises:
            ValueError: the shapes do not fit, there is no tile, or an embedding is not finite
        """
        _check(embeddings, labels, clusters_per_class)
        assignment = np.empty(len(labels), np.int64)
        centres, classes = [], []
        for label in np.unique(labels):
            tiles = np.flatnonzero(labels == label)
            own, own_centres = _clusters(embeddings[tiles], clusters_per_class, rng)
            assignment[tiles] = own + len(classes)
            centres.append(own_centres)
            classes.extend([label] * len(own_centres))
        return cls(assignment, np.concatenate(centres), np.array(classes, np.int64), np.ones(len(classes)))

    def update(self, clusters: np.ndarray, values: np.ndarray) -> None:
        """Take a batch's losses into the running means.

        Args:
            clusters: (n,) int, the cluster of each tile in the index, 0..M-1
            values: (n,) float, the loss of each tile, >= 0
        Raises:
            ValueError: a loss is not finite, or below 0
        """
        values = np.asarray(values, np.float64)
        if not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError("The 'values' of ClusterIndex.update must be finite and >= 0: has the training diverged?")
        counts = np.bincount(clusters, minlength=len(self.losses))
        sums = np.bincount(clusters, values, minlength=len(self.losses))
        seen = counts > 0
        self.losses[seen] += NEWEST_WEIGHT * (sums[seen] / counts[seen] - self.losses[seen])

    def draw(self, m: int, d: int, rng: np.random.Generator) -> ClusterBatch:
        """A seed cluster, drawn in proportion to its loss, and its m - 1 nearest clusters of other classes.

        Clusters of a single tile, which is its own mean, come only where there are too few others.

        Args:
            m: clusters of the batch; fewer come where fewer are of another class than the seed's
            d: distinct tiles of each cluster; fewer come where it holds fewer
            rng: draws the seed cluster and the tiles
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
        """Ids (m,) or fewer: the seed cluster, then its neighbours from near to far, those of a single tile last."""
        single = np.bincount(self.assignment, minlength=len(self.losses)) < 2
        eligible = ~single | single.all()
        weights = eligible * self.losses
        if not weights.any():  # nothing is left to learn: all are as hard as each other
            weights = eligible
        seed = rng.choice(len(weights), p=weights / weights.sum())
        distances = np.square(self.centres - self.centres[seed]).sum(1)
        order = np.lexsort((distances, single))
        others = order[self.classes[order] != self.classes[seed]]
        return np.append(seed, others[: m - 1])


def _clusters(embeddings: np.ndarray, number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cluster of each row (n,), 0..k-1, and the clusters' centres (k, D), with k <= number and no cluster empty."""
    number = min(number, len(np.unique(embeddings, axis=0)))
    with threadpool_limits(1, user_api="openmp"):  # threads would add up their parts in the order they end
        kmeans = KMeans(number, n_init=1, random_state=int(rng.integers(2**31))).fit(embeddings)
    found, own = np.unique(kmeans.labels_, return_inverse=True)
    return own, kmeans.cluster_centers_[found]


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
        raise ValueError("ClusterIndex.build met an embedding that is not finite: has the training diverged?")
