"""Training step on pairs of near tiles, for losses without negatives."""

from config import Config
from config.library import name_and_parameters
from dataProcessors.sampling.batch import Batch
from dataProcessors.sampling.batches import TupleBatches
from losses import LOSSES, Loss
from losses.distances import squared_distances
from training.steps.step import EmbedFunctions, Step, StepOutput, TileMaps
from training.steps.used_pairs import pairs_of_tuples

ROLES = ("anchor", "positive")


class PairStep(Step):
    """Anchors and their positives: near tiles or, in supervised training, tiles of the same class."""

    loss: Loss
    batches: TupleBatches

    def __init__(self, config: Config, maps: TileMaps):
        name, parameters = name_and_parameters(config.loss)
        self.loss = LOSSES[name](**parameters)
        self.batches = TupleBatches(maps.sampler(), maps.read, config.batch_size, ROLES)

    def __call__(self, batch: Batch, embed: EmbedFunctions) -> StepOutput:
        """Return the loss terms (B,), one per pair."""
        embeddings = embed.train(batch)  # (2 B, D), role after role
        anchor, positive = embeddings.chunk(2)
        rows = list(batch.roles.values())
        return StepOutput(
            self.loss.terms(anchor, positive),
            embeddings,
            {"positive": squared_distances(anchor, positive).detach()},
            lambda terms: {role: indices[terms] for role, indices in batch.roles.items()},
            lambda: pairs_of_tuples(batch.positions, rows),
        )
