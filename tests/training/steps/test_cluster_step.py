"""Steps on batches of clusters: which distances are shown, and which losses choose later clusters."""

from types import SimpleNamespace

import numpy as np
import torch

from config import validate
from dataProcessors.sampling.batch import Batch
from dataProcessors.sampling.pool import Pool
from mining.cluster_index import NEW_LOSS_WEIGHT
from training.steps.cluster_step import ClassClusterStep
from training.steps.step import EmbedFunctions

CONFIG = {
    "network": "test_resnet", "loss": "magnetloss", "supervised": True, "validation_map": "osm", "batch_size": 4,
    "magnet_clusters": 3, "magnet_clusters_per_class": 2,
}  # fmt: skip


def places(positions: np.ndarray) -> torch.Tensor:
    """A stand-in for a network: the embedding of a tile is its place, in tens of pixels."""
    return torch.from_numpy(positions / 10).requires_grad_()


def class_step() -> ClassClusterStep:
    """A step with an index of six clusters, two of each of three classes."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(3), 12)
    pool = Pool(rng.integers(0, 100, (len(labels), 2)), np.eye(3, dtype=np.float32)[labels])
    maps = SimpleNamespace(read=lambda positions: np.zeros((len(positions), 1, 1, 1)), pools={"train": pool})
    step = ClassClusterStep(validate(CONFIG), maps)
    step.begin_epoch(0, lambda positions: positions.astype(np.float32))
    return step


def batch_of_later_clusters(step: ClassClusterStep) -> Batch:
    """A batch whose clusters are not the first ones of the index."""
    batches = (step.batches.task(number)() for number in range(1, 100))
    return next(batch for batch in batches if set(batch.cluster_ids.tolist()) != {0, 1, 2})


def test_distances_are_to_the_other_tiles_of_a_cluster_and_to_those_of_other_classes():
    step = class_step()
    batch = batch_of_later_clusters(step)
    shown = step(batch, EmbedFunctions(lambda batch: places(batch.positions), places, places)).distances
    where, clusters, expected = batch.positions / 10, batch.clusters, {"positive": [], "negative": []}
    classes = batch.cluster_classes[clusters]
    for i in range(len(clusters)):
        same = [j for j in range(len(clusters)) if j != i and clusters[j] == clusters[i]]
        other = [j for j in range(len(clusters)) if classes[j] != classes[i]]
        for role, tiles in (("positive", same), ("negative", other)):
            if tiles:
                expected[role].append(np.mean([((where[i] - where[j]) ** 2).sum() for j in tiles]))
    for role, values in expected.items():
        np.testing.assert_allclose(shown[role].numpy(), values, rtol=1e-4, err_msg=role)


def test_losses_are_noted_for_the_clusters_that_the_tiles_are_of():
    step = class_step()
    batch = batch_of_later_clusters(step)
    terms = np.arange(len(batch.clusters), dtype=np.float32)
    step.finish(batch, terms)
    expected = np.ones(len(step.batches.index.losses))
    for number, cluster in enumerate(batch.cluster_ids):
        mean = np.mean([term for term, own in zip(terms, batch.clusters) if own == number])
        expected[cluster] += NEW_LOSS_WEIGHT * (mean - 1)
    np.testing.assert_allclose(step.batches.index.losses, expected)
    assert batch.step not in step.batches.drawn, "a step that is finished is not drawn again"
