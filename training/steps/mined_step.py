"""Training step on mined tuples: a miner of pytorch-metric-learning selects among all admissible pairs of a batch.

Without a miner, all admissible pairs are used.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from config import Config
from config.library import LIBRARY_LOSSES, name_and_parameters
from dataProcessors.sampling.batch import Batch
from losses import TripletLoss
from losses.library import LibraryLoss, LossOutput
from mining import batch_hard
from mining.library import Indices, LibraryMiner, all_pairs, as_triplets, distinct_pairs
from training.steps.step import EmbedFunctions, StepOutput, TileMaps
from training.steps.tuple_step import ROLES, TupleStep, pairwise_distances_on_cpu
from training.steps.used_pairs import UsedPairs

LOGGED_ROLES = ("anchor", "positive", "negative")


class MinedTripletLoss(nn.Module):
    """The project's triplet loss on mined triplets, or on all triplets that mined pairs form; its value is their mean.

    Args:
        config: config of the run, with margin and alt_loss
    """

    def __init__(self, config: Config):
        super().__init__()
        self.loss = TripletLoss(config.margin, alt_loss=config.alt_loss)

    def forward(self, embeddings: Tensor, mined: Indices) -> LossOutput:
        """Return the loss of mined tuples, indices of the embeddings (N, D); without tuples 0, with gradient 0."""
        rows = as_triplets(mined)
        terms = self.loss.terms(*(embeddings[row.to(embeddings.device)] for row in rows))
        return LossOutput(self.loss.mean(terms), terms, torch.stack(rows, 1))


class MinedPairLoss(LibraryLoss):
    """A loss of the library on mined pairs, or on the distinct pairs of mined triplets.

    Args:
        config: config of the run, with the name and parameters of the loss
    """

    def __init__(self, config: Config):
        super().__init__(*name_and_parameters(config.loss))

    def forward(self, embeddings: Tensor, mined: Indices) -> LossOutput:
        """Return the loss of mined tuples, indices of the embeddings (N, D); without tuples 0, with gradient 0."""
        return super().forward(embeddings, distinct_pairs(mined))


MINED_LOSSES = {"tripletloss": MinedTripletLoss} | dict.fromkeys(LIBRARY_LOSSES, MinedPairLoss)


class MinedStep(TupleStep):
    """Every tile of the batch is an anchor; a miner of the library selects among the admissible pairs.

    Without a miner, all admissible pairs are used. Offline mining comes first, as in TupleStep.
    """

    def __init__(self, config: Config, maps: TileMaps):
        super().__init__(config, maps)
        miners = [LibraryMiner(name, parameters, config.seed) for name, parameters in config.library_miners]
        self.mine: Callable[..., Indices] = miners[0] if miners else _mine_all_pairs

    def make_loss(self, config: Config) -> nn.Module:
        """Return the loss module, which takes embeddings and mined tuples."""
        return MINED_LOSSES[config.loss_name](config)

    def tuple_roles(self, config: Config) -> tuple[str, ...]:
        """Return the roles of the tiles that are drawn."""
        return ROLES["tripletloss"]

    def __call__(self, batch: Batch, embed: EmbedFunctions) -> StepOutput:
        """Return the loss terms (n,): one per triplet, pair or anchor, depending on the loss."""
        self._mine_offline(batch, embed)
        embeddings = embed.train(batch)  # (N, D)
        table = pairwise_distances_on_cpu(embeddings)
        mined = self.mine(embeddings, torch.from_numpy(batch.positive), torch.from_numpy(batch.negative), batch.step)
        result = self.loss(embeddings, mined)
        a1, p, a2, n = distinct_pairs(mined)
        distances = {"positive": table[a1, p].to(embeddings.device), "negative": table[a2, n].to(embeddings.device)}
        tiles_of_terms = lambda terms: _complete_tiles(result.tiles[terms], table, (a1, p, a2, n))  # noqa: E731
        used_pairs = lambda: UsedPairs(batch.positions, np.stack([a1, p]), np.stack([a2, n]))  # noqa: E731
        return StepOutput(result.terms, embeddings, distances, tiles_of_terms, used_pairs, result.loss)


def _mine_all_pairs(embeddings: Tensor, positive: Tensor, negative: Tensor, step: int) -> Indices:
    return all_pairs(positive, negative)


def _complete_tiles(tiles: Tensor, table: Tensor, pairs: Indices) -> dict[str, np.ndarray]:
    """Return role -> tiles (k,) of terms, given as (k, 3) with -1 for a missing positive or negative.

    A missing tile becomes the hardest tile among the anchor's pairs; it stays -1 if the anchor has no such pair.
    """
    a1, p, a2, n = pairs
    masks = torch.zeros(2, *table.shape, dtype=torch.bool)
    masks[0, a1, p] = masks[1, a2, n] = True
    hardest = batch_hard(table, *masks)
    of_anchor = torch.stack([torch.arange(len(table)), hardest.positive, hardest.negative], 1)[tiles[:, 0]]
    return dict(zip(LOGGED_ROLES, torch.where(tiles >= 0, tiles, of_anchor).T.numpy()))
