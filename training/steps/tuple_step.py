"""Training step on batches of triplets or quadruplets: hard mining, then the loss."""

import numpy as np
import torch
from torch import Tensor, nn

from config import Config
from dataProcessors.sampling.batch import Batch
from dataProcessors.sampling.batches import TupleBatches
from losses import LOSSES, Loss
from losses.distances import pairwise_squared_distances, squared_distances
from mining import batch_hard, random_hard, second_negative
from training.runs.faults import require_finite
from training.steps.step import EmbedFunctions, Step, StepOutput, TileMaps
from training.steps.used_pairs import pairs_of_tuples

ROLES = {
    "tripletloss": ("anchor", "positive", "negative"),
    "quadrupletloss": ("anchor", "positive", "negative", "negative2"),
}


class TupleStep(Step):
    """Triplets or quadruplets, with offline and online hard mining in any combination; offline comes first."""

    batches: TupleBatches

    def __init__(self, config: Config, maps: TileMaps):
        self.loss = self.make_loss(config)
        offline = {"RANDOM_HARD_POSITIVE": "positive", "RANDOM_HARD_NEGATIVE": "negative"}
        online = {"HARD_POSITIVE": "positive", "HARD_NEGATIVE": "negative"}
        self.online = [role for mode, role in online.items() if mode in config.mining]
        mined_offline = tuple(role for mode, role in offline.items() if mode in config.mining)
        roles = self.tuple_roles(config)
        self.batches = TupleBatches(maps.sampler(), maps.read, config.batch_size, roles, mined_offline)

    def make_loss(self, config: Config) -> nn.Module:
        """Return the loss module, which takes the embeddings of tuples."""
        return LOSSES[config.loss_name](config.margin, alt_loss=config.alt_loss)

    def tuple_roles(self, config: Config) -> tuple[str, ...]:
        """Return the roles of the tiles that are drawn for each tuple."""
        return ROLES[config.loss_name]

    def __call__(self, batch: Batch, embed: EmbedFunctions) -> StepOutput:
        """Return the loss terms (B,), one per tuple."""
        rows = [torch.from_numpy(indices) for indices in batch.roles.values()]  # (B,) of each role
        replaced = self._mine_offline(batch, embed)
        embeddings = embed.train(batch)  # (N, D)
        drawn = rows[2]
        rows = self._mine_online(rows, embeddings, batch)
        replaced |= rows[2] != drawn
        positions = batch.positions
        if len(rows) == 4 and replaced.any():
            embeddings, positions, rows[3] = self._second_negatives(batch, embed, embeddings, rows, replaced)
            rows = [row[rows[3] >= 0] for row in rows]  # a tuple without any second negative is left out
        assert isinstance(self.loss, Loss)  # MinedStep, whose loss takes the mined tuples, does not come here
        chosen = [embeddings[row.to(embeddings.device, non_blocking=True)] for row in rows]
        shown = dict(zip(list(batch.roles)[:3], rows))
        return StepOutput(
            self.loss.terms(*chosen),
            embeddings,
            {name: squared_distances(chosen[0], e).detach() for name, e in list(zip(shown, chosen))[1:]},
            lambda terms: {role: indices.numpy()[terms] for role, indices in shown.items()},
            lambda: pairs_of_tuples(positions, [row.numpy() for row in rows]),
        )

    def _mine_offline(self, batch: Batch, embed: EmbedFunctions) -> Tensor:
        """Replace tiles of the batch by the hardest offline candidates. Return which negatives changed (B,) bool."""
        replaced = torch.zeros(len(batch.roles["anchor"]), dtype=torch.bool)
        if not batch.candidates:
            return replaced
        own_roles = batch.own_roles  # of the b tuples that this process has read
        anchors = embed.no_grad(batch.tiles[own_roles["anchor"]])
        for role, (positions, tiles) in batch.candidates.items():
            candidates = embed.no_grad(tiles.reshape(-1, *tiles.shape[2:])).reshape(*tiles.shape[:2], -1)  # (b, T, D)
            hardest = random_hard(anchors, candidates, role).cpu()
            batch.tiles[own_roles[role]] = tiles[np.arange(len(tiles)), hardest.numpy()]
            found = positions[np.arange(len(positions)), embed.gather(hardest, len(positions)).numpy()]  # (B, 2)
            before = batch.positions[batch.roles[role]]
            batch.positions[batch.roles[role]] = found
            if role == "negative":
                replaced = torch.from_numpy((before != found).any(1))
        batch.positive, batch.negative = self.batches.masks(batch.positions)
        batch.device_tiles = None
        return replaced

    def _mine_online(self, rows: list[Tensor], embeddings: Tensor, batch: Batch) -> list[Tensor]:
        """Return the tile of each tuple (B,) by role, with the hardest tiles of the batch in the mined roles."""
        if not self.online:
            return list(rows)
        anchors, distances = rows[0], pairwise_distances_on_cpu(embeddings)
        hardest = batch_hard(
            distances[anchors], torch.from_numpy(batch.positive)[anchors], torch.from_numpy(batch.negative)[anchors]
        )
        found = {"positive": hardest.positive, "negative": hardest.negative}
        mined = list(rows)
        for index, role in enumerate(("positive", "negative"), 1):
            if role in self.online:
                mined[index] = torch.where(found[role] >= 0, found[role], rows[index])
        return mined

    def _second_negatives(
        self, batch: Batch, embed: EmbedFunctions, embeddings: Tensor, rows: list[Tensor], replaced: Tensor
    ) -> tuple[Tensor, np.ndarray, Tensor]:
        """Return embeddings and positions, with those of newly drawn tiles appended, and the second negatives (B,).

        -1: an anchor has no second negative.
        """
        anchors, first, drawn = rows[0], rows[2], rows[3]
        distances, negatives = pairwise_distances_on_cpu(embeddings), torch.from_numpy(batch.negative)
        second = torch.where(replaced, second_negative(distances, negatives, anchors, first), drawn)
        missing = (second < 0).nonzero()[:, 0]
        if not len(missing):
            return embeddings, batch.positions, second
        # indices as arrays: NumPy takes a tensor of one element for a single index, and drops the dimension
        lacking = [batch.positions[row[missing].numpy()] for row in (anchors, first)]
        positions, found = self.batches.second_negatives(batch.step, *lacking)
        missing, positions = missing[torch.from_numpy(found)], positions[found]
        if len(missing):
            second[missing] = len(embeddings) + torch.arange(len(missing))
            embeddings = torch.cat([embeddings, embed.eval_with_grad(self.batches.read(positions))])
        return embeddings, np.concatenate([batch.positions, positions]), second


def pairwise_distances_on_cpu(embeddings: Tensor) -> Tensor:
    """Return the squared distances (N, N) of embeddings (N, D), on the CPU, for mining. May raise NotFinite."""
    return pairwise_squared_distances(require_finite(embeddings.detach())).cpu()
