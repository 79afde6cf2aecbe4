"""Steps whose tuples a miner of pytorch-metric-learning chooses among all admissible pairs, or that take all pairs."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from config import Config
from config.library import LIBRARY_LOSSES, name_and_parameters
from dataProcessors.sampling.batches import Batch
from losses import TripletLoss
from losses.library import LibraryLoss, LossOutput
from mining import batch_hard
from mining.library import Indices, LibraryMiner, all_pairs, as_triplets, distinct_pairs
from training.steps.step import EmbedFunctions, StepOutput, TileMaps
from training.steps.tuple_step import ROLES, TupleStep, distances_between

LOGGED_ROLES = ("anchor", "positive", "negative")


class MinedTripletLoss(nn.Module):
    """The project's triplet loss of mined triplets; of pairs all triplets that they make up. Its value is their mean.

    Args:
        config: gives margin and alt_loss
    """

    def __init__(self, config: Config):
        super().__init__()
        self.loss = TripletLoss(config.margin, alt_loss=config.alt_loss)

    def forward(self, embeddings: Tensor, mined: Indices) -> LossOutput:
        """Loss of tuples, indices of the embeddings (N, D); of none it is 0, with a gradient of 0."""
        rows = as_triplets(mined)
        terms = self.loss.terms(*(embeddings[row.to(embeddings.device)] for row in rows))
        return LossOutput(self.loss.mean(terms), terms, torch.stack(rows, 1))


class MinedPairLoss(LibraryLoss):
    """A loss of the library, of mined pairs; of triplets their pairs, each once.

    Args:
        config: gives its name and parameters
    """

    def __init__(self, config: Config):
        super().__init__(*name_and_parameters(config.loss))

    def forward(self, embeddings: Tensor, mined: Indices) -> LossOutput:
        """Loss of tuples, indices of the embeddings (N, D); of none it is 0, with a gradient of 0."""
        return super().forward(embeddings, distinct_pairs(mined))


MINED_LOSSES = {"tripletloss": MinedTripletLoss} | dict.fromkeys(LIBRARY_LOSSES, MinedPairLoss)


class MinedStep(TupleStep):
    """Every tile of the batch is an anchor; of the admissible pairs a miner of the library chooses, or all are taken.

    Offline mining comes first, as with other tuples.
    """

    def __init__(self, config: Config, maps: TileMaps):
        super().__init__(config, maps)
        miners = [LibraryMiner(name, parameters, config.seed) for name, parameters in config.library_miners]
        self.mine: Callable[..., Indices] = miners[0] if miners else _all_of_batch

    def make_loss(self, config: Config) -> nn.Module:
        """What takes embeddings and mined tuples."""
        return MINED_LOSSES[config.loss_name](config)

    def tuple_roles(self, config: Config) -> tuple[str, ...]:
        """Of the tiles that are drawn."""
        return ROLES["tripletloss"]

    def __call__(self, batch: Batch, embed: EmbedFunctions) -> StepOutput:
        """Loss terms (n,): one per triplet, pair or anchor, as the loss has it."""
        self._mine_offline(batch, embed)
        embeddings = embed.train(batch)  # (N, D)
        table = distances_between(embeddings)
        mined = self.mine(embeddings, torch.from_numpy(batch.positive), torch.from_numpy(batch.negative), batch.step)
        scored = self.loss(embeddings, mined)
        a1, p, a2, n = distinct_pairs(mined)
        distances = {"positive": table[a1, p].to(embeddings.device), "negative": table[a2, n].to(embeddings.device)}
        tuples = lambda terms: _tiles_of(scored.tiles[terms], table, (a1, p, a2, n))  # noqa: E731
        return StepOutput(scored.terms, embeddings, distances, tuples, scored.loss)


def _all_of_batch(embeddings: Tensor, positive: Tensor, negative: Tensor, step: int) -> Indices:
    return all_pairs(positive, negative)


def _tiles_of(named: Tensor, table: Tensor, pairs: Indices) -> dict[str, np.ndarray]:
    """Tiles (k,) by role of terms (k, 3); where a term names none, the hardest of its anchor's pairs, -1: none."""
    a1, p, a2, n = pairs
    masks = torch.zeros(2, *table.shape, dtype=torch.bool)
    masks[0, a1, p] = masks[1, a2, n] = True
    hardest = batch_hard(table, *masks)
    of_anchor = torch.stack([torch.arange(len(table)), hardest.positive, hardest.negative], 1)[named[:, 0]]
    return dict(zip(LOGGED_ROLES, torch.where(named >= 0, named, of_anchor).T.numpy()))
