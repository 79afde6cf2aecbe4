"""Training step on labelled tiles whose proportions say how alike they should be."""

import torch

from config import Config
from dataProcessors.sampling.batch import Batch
from dataProcessors.sampling.supervised_sampler import SupervisedSampler
from losses.distances import squared_distances
from training.steps.pair_step import PairStep
from training.steps.step import EmbedFunctions, StepOutput, TileMaps
from training.steps.used_pairs import pairs_of_tuples


class SoftContrastStep(PairStep):
    """Pairs of one class each, class-balanced; the loss compares all tiles of the batch by their proportions."""

    def __init__(self, config: Config, maps: TileMaps):
        super().__init__(config, maps)
        assert isinstance(self.batches.sampler, SupervisedSampler)  # the config allows this loss with labels only
        self.sampler = self.batches.sampler

    def __call__(self, batch: Batch, embed: EmbedFunctions) -> StepOutput:
        """Return the loss terms (2 B,), one per tile."""
        embeddings = embed.train(batch)  # (2 B, D), role after role
        proportions = torch.from_numpy(self.sampler.proportions_of(batch.positions))
        anchor, positive = embeddings.detach().chunk(2)
        rows, pairs = list(batch.roles.values()), len(anchor)
        return StepOutput(
            self.loss.terms(embeddings, proportions.to(embeddings.device, non_blocking=True)),
            embeddings,
            {"positive": squared_distances(anchor, positive)},
            lambda tiles: {"anchor": tiles, "positive": (tiles + pairs) % (2 * pairs)},
            lambda: pairs_of_tuples(batch.positions, rows),
        )
