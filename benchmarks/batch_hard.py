"""Batch-hard mining with the triplet loss is at least twice as fast as pytorch-metric-learning

Of every tile of a batch, by labels, the farthest positive and the closest negative are found, and the mean triplet loss
of these triplets (squared distances, margin 0.5) is computed and differentiated with respect to the embeddings, which
are given: (72, 64) and (512, 64), unit length, 8 classes. Per step counts everything from labels and embeddings to the
gradient.

This project: the masks of admissible pairs from the labels (in a training run the thread that reads batches makes them,
here they count in full), distances without gradient, `mining.batch_hard`, the rows it found, `TripletLoss`.
pytorch-metric-learning: `BatchHardMiner` and `TripletMarginLoss` with `MeanReducer`, both with squared `LpDistance`
without normalisation, as its documentation shows; labels and embeddings are tensors already. Both values and both
gradients are compared before anything is timed.

At 72 tiles a step of about a millisecond is some fifty calls of operations on tables of 5,000 numbers, each of
which costs its call and hardly anything else; torch's automatic differentiation of the loss alone takes a third, and
the claim holds with little to spare. The last rows say where the time goes.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor
from torch.nn.functional import embedding, normalize

from benchmarks.measure import Row, Setting, duration, faster, in_turn
from losses import TripletLoss
from losses.distances import pairwise_squared_distances
from mining import Hardest, batch_hard

BATCHES = (72, 512)
DIMENSION, CLASSES, MARGIN = 64, 8, 0.5
THIS, OTHER = "this project", "pytorch-metric-learning"

LossOf = Callable[[Tensor], Tensor]  # embeddings (N, D) -> scalar


def measure(setting: Setting) -> list[Row]:
    """Steps per second of both at either batch size."""
    rows = []
    for tiles in BATCHES:
        labels = np.random.default_rng(0).integers(0, CLASSES, tiles)
        losses = {THIS: own_loss(labels), OTHER: other_loss(labels)}
        embeddings = normalize(torch.randn(tiles, DIMENSION, generator=torch.Generator().manual_seed(0)))
        check_equal(losses, embeddings)
        steps = setting.number(100, 2)
        timings = in_turn({name: repeated(loss, embeddings, steps) for name, loss in losses.items()}, setting.rounds)
        rows += [Row(f"{tiles} tiles, {name}", timing.rate("steps")) for name, timing in timings.items()]
        rows.append(faster(f"{tiles} tiles, {THIS} over {OTHER}", timings[THIS].times(timings[OTHER]), 2))
        parts = parts_of_step(labels, embeddings, steps)
        rows += [Row(f"{tiles} tiles, of a step: {part}", duration(seconds)) for part, seconds in parts.items()]
    return rows


def own_loss(labels: np.ndarray) -> LossOf:
    """Masks, mining and loss of this project."""
    loss = TripletLoss(MARGIN)

    def compute(embeddings: Tensor) -> Tensor:
        same = labels[:, None] == labels
        distances = pairwise_squared_distances(embeddings.detach())
        found = batch_hard(distances, torch.from_numpy(same), torch.from_numpy(~same))  # never takes the tile itself
        return loss(*triplets(embeddings, found))

    return compute


def triplets(embeddings: Tensor, found: Hardest) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings (B, D) of the anchors that have both, their positives and their negatives."""
    anchors, positive, negative = embeddings, found.positive, found.negative
    if not found.valid.all():
        anchors, positive, negative = embeddings[found.valid], positive[found.valid], negative[found.valid]
    return anchors, embedding(positive, embeddings), embedding(negative, embeddings)


def parts_of_step(labels: np.ndarray, embeddings: Tensor, steps: int) -> dict[str, float]:
    """Median seconds of the parts of this project's step, as they follow on one another."""
    loss, taken = TripletLoss(MARGIN), []
    for _ in range(steps):
        leaf = embeddings.detach().requires_grad_()
        moments = [time.perf_counter()]
        same = labels[:, None] == labels
        masks = torch.from_numpy(same), torch.from_numpy(~same)
        moments.append(time.perf_counter())
        distances = pairwise_squared_distances(leaf.detach())
        moments.append(time.perf_counter())
        found = batch_hard(distances, *masks)
        moments.append(time.perf_counter())
        value = loss(*triplets(leaf, found))
        moments.append(time.perf_counter())
        value.backward()
        moments.append(time.perf_counter())
        taken.append(np.diff(moments))
    names = ("masks", "distances", "search", "gathering the rows, and the loss", "gradient")
    return {name: statistics.median(seconds) for name, seconds in zip(names, np.array(taken).T.tolist())}


def other_loss(labels: np.ndarray) -> LossOf:
    """Miner and loss of pytorch-metric-learning."""
    given = torch.from_numpy(labels)
    distance = LpDistance(normalize_embeddings=False, p=2, power=2)
    miner = BatchHardMiner(distance=distance)
    loss = TripletMarginLoss(margin=MARGIN, distance=distance, reducer=MeanReducer())
    return lambda embeddings: loss(embeddings, given, miner(embeddings, given))


def check_equal(losses: dict[str, LossOf], embeddings: Tensor) -> None:
    """Both sides must give one value and one gradient."""
    values = [loss(embeddings) for loss in losses.values()]
    gradients = [gradient(loss, embeddings) for loss in losses.values()]
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def gradient(loss: LossOf, embeddings: Tensor) -> Tensor:
    """Forward and backward; the embeddings are a leaf."""
    leaf = embeddings.detach().requires_grad_()
    loss(leaf).backward()
    return leaf.grad


def repeated(loss: LossOf, embeddings: Tensor, steps: int) -> Callable[[], int]:
    """So many steps, one after the other."""

    def way() -> int:
        for _ in range(steps):
            gradient(loss, embeddings)
        return steps

    return way
