"""What a training step does with a batch of clusters, for the magnet loss."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from config import Config
from dataProcessors.sampling.batches import Batch, ClusterBatches, IndexBatches
from losses import LOSSES
from losses.distances import pairwise_squared_distances
from mining import ClusterBatch, ClusterIndex, batch_hard
from training.runs.checkpoint import to_arrays, to_tensors
from training.steps.step import EmbedFunctions, Step, StepOutput, TileMaps


class ClusterStep(Step):
    """Magnet loss without labels: clusters around centres on the map, each a class of its own."""

    def __init__(self, config: Config, maps: TileMaps):
        self.loss = LOSSES[config.loss_name](config.margin)
        self.batches = ClusterBatches(maps.sampler(), maps.read, config.magnet_clusters, config.batch_size)

    def __call__(self, batch: Batch, embed: EmbedFunctions) -> StepOutput:
        """Loss terms (n,), one per tile."""
        embeddings = embed.train(batch)
        given = (batch.clusters, batch.cluster_classes)
        to_device = partial(torch.Tensor.to, device=embeddings.device, non_blocking=True)
        on_device = [None if ids is None else to_device(torch.from_numpy(ids)) for ids in given]
        terms = self.loss.terms(embeddings, *on_device)
        table = pairwise_squared_distances(embeddings.detach())
        masks = [to_device(mask) for mask in _masks(batch)]
        distances = {role: _mean_of(table, mask) for role, mask in zip(("positive", "negative"), masks)}
        return StepOutput(terms, embeddings, distances, lambda chosen: _hardest(table, masks, chosen))


class ClassClusterStep(ClusterStep):
    """Magnet loss with labels: each class is split into clusters by k-means on its embeddings, anew every epoch."""

    def __init__(self, config: Config, maps: TileMaps):
        self.loss = LOSSES[config.loss_name](config.margin)
        self.clusters_per_class, self.seed = config.magnet_clusters_per_class, config.seed
        clusters, tiles = config.magnet_clusters, config.batch_size
        self.batches = IndexBatches(maps.pools["train"], maps.read, clusters, tiles, config.seed)

    def begin_epoch(self, epoch: int, embed_positions: Callable[[np.ndarray], np.ndarray]) -> None:
        """Cluster the training pool by its embeddings of now."""
        pool, rng = self.batches.pool, np.random.default_rng([self.seed, epoch, 3])
        embeddings = embed_positions(pool.positions)
        self.batches.index = ClusterIndex.build(embeddings, pool.labels, self.clusters_per_class, rng)

    def finish(self, batch: Batch, terms: np.ndarray) -> None:
        """Tell the index of the clusters' losses: in proportion to them it draws the seeds of later batches."""
        self.batches.index.update(batch.cluster_ids[batch.clusters], terms)
        self.batches.drawn.pop(batch.step, None)

    def state_dict(self) -> dict:
        """The cluster index, and the tiles drawn by it for steps to come, which knew the losses of their moment."""
        if self.batches.index is None:
            return {}
        drawn = {step: to_tensors(batch._asdict()) for step, batch in self.batches.drawn.items()}
        return {"index": to_tensors(vars(self.batches.index)), "drawn": drawn}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        if state:
            self.batches.index = ClusterIndex(**to_arrays(state["index"]))
            self.batches.drawn = {step: ClusterBatch(**to_arrays(batch)) for step, batch in state["drawn"].items()}


def _masks(batch: Batch) -> tuple[Tensor, Tensor]:
    """Which tiles (columns) of a batch of clusters are others of the same cluster, and which of another class."""
    clusters = batch.clusters
    classes = clusters if batch.cluster_classes is None else batch.cluster_classes[clusters]
    same = (clusters[:, None] == clusters) & ~np.eye(len(clusters), dtype=bool)
    return torch.from_numpy(same), torch.from_numpy(classes[:, None] != classes)


def _mean_of(table: Tensor, mask: Tensor) -> Tensor:
    """Mean (n,) of each row of a table (n, N) within a mask; rows without any are left out."""
    number = mask.sum(1)
    return ((table * mask).sum(1) / number)[number > 0]


def _hardest(table: Tensor, masks: list[Tensor], tiles: np.ndarray) -> dict[str, np.ndarray]:
    """Of tiles (k,) of a batch of clusters: themselves, the farthest of their own, the closest of another class."""
    found = batch_hard(table, *masks)
    rows = {"farthest of its cluster": found.positive, "closest of another class": found.negative}
    return {"tile": tiles} | {role: indices.cpu().numpy()[tiles] for role, indices in rows.items()}
