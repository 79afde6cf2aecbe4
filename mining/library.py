"""Miners of pytorch-metric-learning, applied to admissible pairs (Musgrave et al. 2020, arXiv:2008.09164).

The library defines pairs by labels. Here, being an admissible positive is not transitive, so labels cannot express it.
Therefore a miner is called once for each anchor: the embeddings are the anchor alone, and the reference set is the
anchor's admissible tiles, positives with the anchor's label, negatives with another label. A tile that is admissible in
both roles is in the reference set twice, once with each label, and may be selected in either role or in both. The miner
never sees any other pair.

Every tile of the batch is an anchor, as in the library. Distances are the library's own: cosine similarity for
MultiSimilarityMiner, else Euclidean between embeddings scaled to length 1. Everything is computed on the CPU in float32
or wider: these miners consist of many small operations on small tables.
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
NEARLY_OPPOSITE = 2 - 1e-5  # Euclidean distance of embeddings of length 1
MINING_STREAM = 4  # makes the miner's random draws independent of other draws of the same step


def all_pairs(positive: Tensor, negative: Tensor) -> Indices:
    """Return all admissible pairs (a1, p, a2, n) of masks (N, N) bool, without pairs of a tile with itself."""
    return *_without_own(positive).nonzero(as_tuple=True), *_without_own(negative).nonzero(as_tuple=True)


def distinct_pairs(indices: Indices) -> Indices:
    """Return pairs (a1, p, a2, n): pairs unchanged, or the distinct pairs of triplets."""
    if len(indices) == 4:
        return indices
    anchors, positives, negatives = indices
    near, far = (torch.stack([anchors, others]).unique(dim=1) for others in (positives, negatives))
    return *near, *far


def as_triplets(indices: Indices) -> Indices:
    """Return triplets (a, p, n): triplets unchanged, or each positive pair with each negative of its anchor."""
    return convert_to_triplets(indices, None)


class LibraryMiner:
    """One miner of the library.

    Args:
        name: name of its class
        parameters: arguments of the class; see config.library
        seed: seed of the run; random miners depend only on the seed and the step
    """

    def __init__(self, name: str, parameters: dict[str, Any], seed: int):
        self.miner = getattr(miners, name)(**parameters)
        self.mine: MineFunction = MINE_FUNCTIONS.get(name, mine_per_anchor)
        self.seed = seed

    def __call__(self, embeddings: Tensor, positive: Tensor, negative: Tensor, step: int) -> Indices:
        """Return the tuples that the miner selects, on the CPU; they may be empty.

        Args:
            embeddings: (N, D)
            positive, negative: (N, N) bool on the CPU, which tiles (columns) are admissible for which anchors (rows)
            step: number of the training step
        """
        embeddings = full_precision(embeddings.detach()).cpu()
        seed = np.random.SeedSequence([self.seed, step, MINING_STREAM]).generate_state(1)[0]
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", enabled=False):
            torch.default_generator.manual_seed(int(seed))  # not torch.manual_seed, which also reseeds every GPU
            return self.mine(self.miner, embeddings, _without_own(positive), _without_own(negative))


def mine_per_anchor(miner: BaseMiner, embeddings: Tensor, positive: Tensor, negative: Tensor) -> Indices:
    """Call the miner once for each anchor, with only the anchor's admissible tiles. Return all tuples together."""
    tuples, label = [], torch.zeros(1, dtype=torch.long)
    for anchor in range(len(embeddings)):
        near, far = positive[anchor].nonzero()[:, 0], negative[anchor].nonzero()[:, 0]
        tiles = torch.cat([near, far])  # reference row -> tile
        if not len(tiles):
            continue
        labels = (torch.arange(len(tiles)) >= len(near)).long()
        mined = miner(embeddings[anchor : anchor + 1], label, embeddings[tiles], labels)
        tuples.append(_to_batch_indices(mined, anchor, tiles))
    return _concatenate(tuples)


def mine_whole_batch(
    miner: miners.UniformHistogramMiner, embeddings: Tensor, positive: Tensor, negative: Tensor
) -> Indices:
    """Call the miner once for the whole batch, because its bins span the distances of all pairs of a batch."""
    a1, p, a2, n = all_pairs(positive, negative)
    table = miner.distance(embeddings, embeddings)
    if len(a1):
        a1, p = miner.get_uniformly_distributed_pairs(table[a1, p], a1, p, miner.pos_per_bin)
    if len(a2):
        a2, n = miner.get_uniformly_distributed_pairs(table[a2, n], a2, n, miner.neg_per_bin)
    return a1, p, a2, n


def mine_distance_weighted(
    miner: miners.DistanceWeightedMiner, embeddings: Tensor, positive: Tensor, negative: Tensor
) -> Indices:
    """Call the miner as `mine_per_anchor` does, but for anchors whose admissible tiles all lie opposite to them.

    Its weights are not finite at the distance 2, and where it has no finite one it raises.
    """
    weighted = (positive | negative) & (miner.distance(embeddings, embeddings) < NEARLY_OPPOSITE)
    chosen = weighted.any(1)[:, None]
    return mine_per_anchor(miner, embeddings, positive & chosen, negative & chosen)


MineFunction = Callable[[BaseMiner, Tensor, Tensor, Tensor], Indices]
MINE_FUNCTIONS: dict[str, MineFunction] = {  # all others: mine_per_anchor
    "UniformHistogramMiner": mine_whole_batch,
    "DistanceWeightedMiner": mine_distance_weighted,
}


def _to_batch_indices(mined: Indices, anchor: int, tiles: Tensor) -> Indices:
    """Convert indices into the single anchor and its reference set to indices into the batch."""
    anchors = (0,) if len(mined) == 3 else (0, 2)
    return tuple(torch.full_like(rows, anchor) if i in anchors else tiles[rows] for i, rows in enumerate(mined))


def _concatenate(tuples: Sequence[Indices]) -> Indices:
    if not tuples:
        return (torch.zeros(0, dtype=torch.long),) * 3
    return tuple(torch.cat(column) for column in zip(*tuples))


def _without_own(mask: Tensor) -> Tensor:
    return mask & ~torch.eye(len(mask), dtype=torch.bool, device=mask.device)
