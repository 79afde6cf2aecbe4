"""Training steps on batches of clusters, for the magnet loss."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from config import Config
from dataProcessors.sampling.batch import Batch
from dataProcessors.sampling.batches import ClusterBatches, IndexBatches
from losses import MagNetLoss
from losses.distances import pairwise_squared_distances
from mining import ClusterBatch, ClusterIndex, batch_hard
from training.runs.checkpoint import to_arrays, to_tensors
from training.steps.step import EmbedFunctions, Step, StepOutput, TileMaps
from training.steps.used_pairs import UsedPairs


class ClusterStep(Step):
    """Magnet loss without labels: tiles are clustered on the map, and every cluster is its own class."""

    loss: MagNetLoss
    batches: ClusterBatches | IndexBatches

    def __init__(self, config: Config, maps: TileMaps):
        self.loss = MagNetLoss(config.margin)
        self.batches = ClusterBatches(maps.sampler(), maps.read, config.magnet_clusters, config.batch_size)

    def __call__(self, batch: Batch, embed: EmbedFunctions) -> StepOutput:
        """Return the loss terms (n,), one per tile."""
        embeddings = embed.train(batch)
        to_device = partial(torch.Tensor.to, device=embeddings.device, non_blocking=True)
        arrays = (batch.clusters, batch.cluster_classes)
        clusters, classes = (None if array is None else to_device(torch.from_numpy(array)) for array in arrays)
        assert clusters is not None  # a batch of clusters
        terms = self.loss.terms(embeddings, clusters, classes)
        table = pairwise_squared_distances(embeddings.detach())
        masks = [to_device(mask) for mask in _masks(batch)]
        distances = {role: _masked_mean(table, mask) for role, mask in zip(("positive", "negative"), masks)}
        return StepOutput(
            terms, embeddings, distances, lambda tiles: _hardest(table, masks, tiles), lambda: _used_pairs(batch)
        )


class ClassClusterStep(ClusterStep):
    """Magnet loss with labels: at every epoch, k-means splits the embeddings of each class into clusters."""

    batches: IndexBatches

    def __init__(self, config: Config, maps: TileMaps):
        self.loss = MagNetLoss(config.margin)
        self.clusters_per_class, self.seed = config.magnet_clusters_per_class, config.seed
        clusters, tiles = config.magnet_clusters, config.batch_size
        self.batches = IndexBatches(maps.pools["train"], maps.read, clusters, tiles, config.seed)

    def begin_epoch(self, epoch: int, embed_positions: Callable[[np.ndarray], np.ndarray]) -> None:
        """Cluster the training pool by the embeddings of the current network."""
        pool, rng = self.batches.pool, np.random.default_rng([self.seed, epoch, 3])
        embeddings = embed_positions(pool.positions)
        self.batches.index = ClusterIndex.build(embeddings, pool.labels, self.clusters_per_class, rng)

    def finish(self, batch: Batch, terms: np.ndarray) -> None:
        """Update the clusters' losses in the index: later seed clusters are drawn in proportion to them."""
        assert isinstance(self.batches.index, ClusterIndex)  # set in `begin_epoch` or `load_state_dict`
        assert batch.cluster_ids is not None  # the batch was drawn from the index
        self.batches.index.update(batch.cluster_ids[batch.clusters], terms)
        self.batches.drawn.pop(batch.step, None)

    def state_dict(self) -> dict:
        """Return the cluster index, and the batches already drawn for later steps: they depend on earlier losses."""
        if self.batches.index is None:
            return {}
        drawn = {step: to_tensors(batch._asdict()) for step, batch in self.batches.drawn.items()}
        return {"index": to_tensors(vars(self.batches.index)), "drawn": drawn}

    def load_state_dict(self, state: dict) -> None:
        """Restore the state from what `state_dict` returned."""
        if state:
            self.batches.index = ClusterIndex(**to_arrays(state["index"]))
            self.batches.drawn = {step: ClusterBatch(**to_arrays(batch)) for step, batch in state["drawn"].items()}


def _masks(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return two masks (n, n) bool: other tiles (columns) of the same cluster, and tiles of another class."""
    clusters = batch.clusters
    assert clusters is not None  # a batch of clusters
    classes = clusters if batch.cluster_classes is None else batch.cluster_classes[clusters]
    same = (clusters[:, None] == clusters) & ~np.eye(len(clusters), dtype=bool)
    return torch.from_numpy(same), torch.from_numpy(classes[:, None] != classes)


def _used_pairs(batch: Batch) -> UsedPairs:
    """Return the pairs of tiles within a cluster, and those of tiles in clusters of different classes."""
    return UsedPairs(batch.positions, *(np.stack(mask.numpy().nonzero()) for mask in _masks(batch)))


def _masked_mean(table: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (n,) of each row of a table (m, N) within a mask; rows with an empty mask are left out."""
    counts = mask.sum(1)
    return ((table * mask).sum(1) / counts)[counts > 0]


def _hardest(table: Tensor, masks: list[Tensor], tiles: np.ndarray) -> dict[str, np.ndarray]:
    """Return, for tiles (k,) of a batch, the farthest tile of their cluster and the closest tile of another class."""
    hardest = batch_hard(table, *masks)
    roles = {"farthest of its cluster": hardest.positive, "closest of another class": hardest.negative}
    return {"tile": tiles} | {role: indices.cpu().numpy()[tiles] for role, indices in roles.items()}
