"""Miners of pytorch-metric-learning on admissible pairs (Musgrave et al. 2020, arXiv:2008.09164).

The library knows pairs by labels. Which tile may be whose positive is not transitive here, so that no labels say it.
Therefore a miner is called once for each anchor: the anchor alone is the embedding, its admissible tiles are the
reference set, positives under the anchor's label, negatives under another. A tile that is admissible as both is two
references, one of each label, and may come out in either role or in both. No other pair is ever seen by the miner.

Every tile of the batch is an anchor, as in the library. Distances are the library's own: the cosine for
MultiSimilarityMiner, else Euclidean between embeddings scaled to length 1. All is computed on the CPU in float32 or
wider: these miners are many small operations on small tables.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from pytorch_metric_learning import miners
from pytorch_metric_learning.miners.base_miner import BaseMiner
from pytorch_metric_learning.utils.loss_and_miner_utils import convert_to_triplets
from torch import Tensor

from losses.distances import full_precision

# (anchors, positives, negatives) of triplets, or (anchors, positives, anchors, negatives) of pairs: int64 (n,)
Indices = tuple[Tensor, ...]
MINING_STREAM = 4  # of the draws of a step


def all_pairs(positive: Tensor, negative: Tensor) -> Indices:
    """All admissible pairs of masks (N, N) bool, none of them a tile with itself: (a1, p, a2, n)."""
    return *_without_own(positive).nonzero(as_tuple=True), *_without_own(negative).nonzero(as_tuple=True)


def distinct_pairs(indices: Indices) -> Indices:
    """Pairs (a1, p, a2, n): those given as they are; of triplets each pair once, however many triplets it is in."""
    if len(indices) == 4:
        return indices
    anchors, positives, negatives = indices
    near, far = (torch.stack([anchors, others]).unique(dim=1) for others in (positives, negatives))
    return *near, *far


def as_triplets(indices: Indices) -> Indices:
    """Triplets (a, p, n): those given as they are; of pairs every positive pair with every negative of its anchor."""
    return convert_to_triplets(indices, None)


class LibraryMiner:
    """One miner of the library.

    Args:
        name: of its class
        parameters: for the class; see config.library
        seed: of the run; miners that draw do so from the seed and the step alone
    """

    def __init__(self, name: str, parameters: dict[str, Any], seed: int):
        self.miner = getattr(miners, name)(**parameters)
        self.mine: Pass = PASSES.get(name, per_anchor)
        self.seed = seed

    def __call__(self, embeddings: Tensor, positive: Tensor, negative: Tensor, step: int) -> Indices:
        """Tuples that the miner chooses, on the CPU; none where it finds nothing.

        Args:
            embeddings: (N, D)
            positive, negative: (N, N) bool on the CPU, which tiles (columns) may serve which (rows)
            step: number of the training step
        """
        embeddings = full_precision(embeddings.detach()).cpu()
        seed = np.random.SeedSequence([self.seed, step, MINING_STREAM]).generate_state(1)[0]
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", enabled=False):
            torch.default_generator.manual_seed(
                int(seed)
            )  # of the CPU alone: torch.manual_seed would reseed every device
            return self.mine(self.miner, embeddings, _without_own(positive), _without_own(negative))


def per_anchor(miner: BaseMiner, embeddings: Tensor, positive: Tensor, negative: Tensor) -> Indices:
    """What a miner finds when it is called for each anchor with the anchor's admissible tiles alone."""
    found, label = [], torch.zeros(1, dtype=torch.long)
    for anchor in range(len(embeddings)):
        near, far = positive[anchor].nonzero()[:, 0], negative[anchor].nonzero()[:, 0]
        tiles = torch.cat([near, far])  # reference row -> tile
        if not len(tiles):
            continue
        labels = (torch.arange(len(tiles)) >= len(near)).long()
        mined = miner(embeddings[anchor : anchor + 1], label, embeddings[tiles], labels)
        found.append(_of_batch(mined, anchor, tiles))
    return _joined(found)


def over_histogram(miner: miners.UniformHistogramMiner, embeddings: Tensor, positive: Tensor, negative: Tensor):
    """The same for the miner whose bins span the distances of all pairs of a batch, so that it must see all at once."""
    a1, p, a2, n = all_pairs(positive, negative)
    table = miner.distance(embeddings, embeddings)
    if len(a1):
        a1, p = miner.get_uniformly_distributed_pairs(table[a1, p], a1, p, miner.pos_per_bin)
    if len(a2):
        a2, n = miner.get_uniformly_distributed_pairs(table[a2, n], a2, n, miner.neg_per_bin)
    return a1, p, a2, n


Pass = Callable[[BaseMiner, Tensor, Tensor, Tensor], Indices]
PASSES: dict[str, Pass] = {"UniformHistogramMiner": over_histogram}  # every other miner is called per anchor


def _of_batch(mined: Indices, anchor: int, tiles: Tensor) -> Indices:
    """Rows of the one embedding and of the references as indices of the batch's tiles."""
    anchors = (0,) if len(mined) == 3 else (0, 2)
    return tuple(torch.full_like(rows, anchor) if place in anchors else tiles[rows] for place, rows in enumerate(mined))


def _joined(found: Sequence[Indices]) -> Indices:
    if not found:
        return (torch.zeros(0, dtype=torch.long),) * 3
    return tuple(torch.cat(column) for column in zip(*found))


def _without_own(mask: Tensor) -> Tensor:
    return mask & ~torch.eye(len(mask), dtype=torch.bool, device=mask.device)
