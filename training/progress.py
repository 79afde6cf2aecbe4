"""What is logged of the training steps for those who watch a run."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from config import Config
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.batches import Batch
from training.steps.history import HardestTuples, SampledPositions
from training.steps.step import StepOutput

log = logging.getLogger(__name__)
COLLAPSED_SPREAD = 1e-3  # spread of a batch's embeddings under which, all through an epoch, they count as one point


def embedding_spread(embeddings: Tensor) -> Tensor:
    """Mean squared distance of embeddings (N, D) from their mean, over their mean squared length: 0 is one point."""
    wide = embeddings.float()
    away = (wide - wide.mean(0)).square().sum(1).mean()
    return away / wide.square().sum(1).mean().clamp(min=torch.finfo(torch.float32).tiny)


class Progress:
    """Logs numbers of every step, and pictures of the last one before an evaluation.

    Args:
        config: of the run
        maps: tiles of the image map, and their labels
        reporter: takes what is logged; see reporting.reporter.Reporter

    Attributes:
        sampled: where tiles were trained on
        hardest: tuples of the epoch
        losses: of the epoch's steps, as far as this process made them
    """

    def __init__(self, config: Config, maps: OpenMaps, reporter):
        self.config, self.maps, self.reporter = config, maps, reporter
        self.sampled, self.hardest = SampledPositions(), HardestTuples()
        self.losses: list[float] = []
        self._spreads: list[float] = []

    def state_dict(self) -> dict:
        """What a checkpoint holds of it."""
        return {"sampled": self.sampled.state_dict(), "hardest": self.hardest.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self.sampled.load_state_dict(state["sampled"])
        self.hardest.load_state_dict(state["hardest"])

    def begin_epoch(self) -> None:
        """Forget what belongs to one epoch only."""
        self.hardest.clear()
        self.losses, self._spreads = [], []

    def step_values(self, loss: Tensor, output: StepOutput) -> dict[str, Tensor]:
        """The numbers of a step, scalars where the network is; "finite" is 1 where all its embeddings are."""
        tensors = {
            "finite": output.embeddings.detach().isfinite().all(),
            "loss": loss,
            "active_share": (output.terms.detach() > 0).float().sum() / max(len(output.terms), 1),
            "embedding_spread": embedding_spread(output.embeddings.detach()),
        }
        known = {role: distances for role, distances in output.distances.items() if len(distances)}
        return tensors | {f"{role}_distance": distances.mean() for role, distances in known.items()}

    def log(self, batch: Batch, output: StepOutput, terms: np.ndarray, values: dict[str, float]) -> None:
        """Log a step that is done, with its loss terms (n,) and its numbers."""
        values = values | {"learning_rate": self.config.learning_rate}
        self.losses.append(values["loss"])
        self._spreads.append(values["embedding_spread"])
        for role, indices in batch.roles.items():
            self.sampled.add(role, batch.positions[indices])
        self.hardest.add(terms, batch.positions, output.tuples)
        self.reporter.log_step(batch.step, values)
        if self.config.is_evaluated_after(batch.step):
            self._log_pictures(batch, output)

    def _log_pictures(self, batch: Batch, output: StepOutput) -> None:
        """The tiles of a batch, their distances, and the hardest tuples of the epoch."""
        step = batch.step
        self.reporter.log_batch(step, batch.tiles, self.maps.read_classes(batch.positions), list(batch.roles.items()))
        self.reporter.log_distances(
            step, {role: values.cpu().numpy() for role, values in output.distances.items() if len(values)}
        )
        positions, rows = self.hardest.rows()
        if len(positions):
            tiles, classes = self.maps.read(positions), self.maps.read_classes(positions)
            self.reporter.log_hardest(step, tiles, classes, rows, self.hardest.losses)

    @contextmanager
    def epoch_bar(self, epoch: int, steps: range) -> Iterator[tqdm]:
        """A bar of the steps of an epoch that are left; without a terminal, a line at their end."""
        name, started, total = f"epoch {epoch}/{self.config.epochs}", time.monotonic(), self.config.iterations
        with tqdm(total=total, initial=total - len(steps), desc=name, unit="step", disable=None) as bar:
            has_terminal = not bar.disable  # looked up now: a closed bar is always disabled
            yield bar
        if not has_terminal:
            loss, seconds = np.mean(self.losses), time.monotonic() - started
            print(f"{name}: loss {loss:.4f}, {len(steps) / seconds:.2f} steps/s", flush=True)

    def advance(self, bar: tqdm) -> None:
        """Show one more step, and the last loss that is known, on the bar."""
        bar.update()
        bar.set_postfix(loss=f"{self.losses[-1]:.4f}" if self.losses else "", refresh=False)

    def warn_if_collapsed(self, epoch: int) -> None:
        """Warn if in every step of the epoch the embeddings were as good as one point."""
        if self._spreads and max(self._spreads) < COLLAPSED_SPREAD:
            log.warning(
                "epoch %d: the embeddings have collapsed into one point (spread %.1e at most, of 1): the network tells "
                "no tiles apart. Choose a smaller 'learning_rate', or less or other 'mining'",
                epoch, max(self._spreads),
            )  # fmt: skip
