"""What is noted of the training steps for those who watch a run, and when it is shown."""

import logging

import numpy as np
import torch
from torch import Tensor

from config import Config
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.batches import Batch
from training.steps.history import HardestTuples, Sampled
from training.steps.step import Outcome

log = logging.getLogger(__name__)
COLLAPSED = 1e-3  # spread of a batch's embeddings under which, all through an epoch, they count as one point


def spread(embeddings: Tensor) -> Tensor:
    """Mean squared distance of embeddings (N, D) from their mean, over their mean squared length: 0 is one point."""
    wide = embeddings.float()
    away = (wide - wide.mean(0)).square().sum(1).mean()
    return away / wide.square().sum(1).mean().clamp(min=torch.finfo(torch.float32).tiny)


class Progress:
    """Notes every step, and shows numbers of each and pictures of the last one before an evaluation.

    Args:
        config: of the run
        maps: tiles of the image map, and their labels
        reporter: takes what is to be shown; see reporting.reporter.Reporter

    Attributes:
        sampled: where tiles were trained on
        hardest: tuples of the epoch
        losses: of the epoch's steps, as far as this process made them
    """

    def __init__(self, config: Config, maps: OpenMaps, reporter):
        self.config, self.maps, self.reporter = config, maps, reporter
        self.sampled, self.hardest = Sampled(), HardestTuples()
        self.losses: list[float] = []
        self._spreads: list[float] = []

    def state_dict(self) -> dict:
        """What a checkpoint keeps."""
        return {"sampled": self.sampled.state_dict(), "hardest": self.hardest.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self.sampled.load_state_dict(state["sampled"])
        self.hardest.load_state_dict(state["hardest"])

    def begin_epoch(self) -> None:
        """Forget what is noted of one epoch only."""
        self.hardest.clear()
        self.losses, self._spreads = [], []

    def values_of(self, loss: Tensor, outcome: Outcome) -> dict[str, Tensor]:
        """What is logged of a step, scalars where the network is; "finite" is 1 where all its embeddings are."""
        tensors = {
            "finite": outcome.embeddings.detach().isfinite().all(),
            "loss": loss,
            "active_share": (outcome.terms.detach() > 0).float().sum() / max(len(outcome.terms), 1),
            "embedding_spread": spread(outcome.embeddings.detach()),
        }
        known = {role: distances for role, distances in outcome.distances.items() if len(distances)}
        return tensors | {f"{role}_distance": distances.mean() for role, distances in known.items()}

    def add(self, batch: Batch, outcome: Outcome, terms: np.ndarray, values: dict[str, float]) -> None:
        """Note a step that is done, with its loss terms (n,), and show its values."""
        values = values | {"learning_rate": self.config.learning_rate}
        self.losses.append(values["loss"])
        self._spreads.append(values["embedding_spread"])
        for role, indices in batch.roles.items():
            self.sampled.add(role, batch.positions[indices])
        self.hardest.add(terms, batch.positions, outcome.tuples)
        self.reporter.step(batch.step, values)

    def show(self, batch: Batch, outcome: Outcome) -> None:
        """Pictures of the epoch's last batch and of its hardest tuples."""
        step = batch.step
        self.reporter.batch(step, batch.tiles, self.maps.read_classes(batch.positions), list(batch.roles.items()))
        self.reporter.distances(
            step, {role: values.cpu().numpy() for role, values in outcome.distances.items() if len(values)}
        )
        positions, rows = self.hardest.rows()
        if len(positions):
            tiles, classes = self.maps.read(positions), self.maps.read_classes(positions)
            self.reporter.hardest(step, tiles, classes, rows, self.hardest.losses)

    def warn_of_collapse(self, epoch: int) -> None:
        """Warn if in every step of the epoch the embeddings were as good as one point."""
        if self._spreads and max(self._spreads) < COLLAPSED:
            log.warning(
                "epoch %d: the embeddings have collapsed into one point (spread %.1e at most, of 1): the network tells "
                "no tiles apart. Choose a smaller 'learning_rate', or less or other 'mining'",
                epoch, max(self._spreads),
            )  # fmt: skip
