"""Logging of the training steps: numbers, pictures, progress bar, warning of collapse."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from config import Config
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.batch import Batch
from training.learning_rate import learning_rate
from training.steps.history import HardestTuples, SampledPositions
from training.steps.step import StepOutput
from training.steps.used_pairs import false_shares

log = logging.getLogger(__name__)
PAIRS_EVERY = 10  # steps whose pairs are compared with the label map; of prepared maps: others are slow to read
PICTURES_SHARE = 0.02  # on a GPU, pictures of batches may take this share of the time since the last ones
COLLAPSED_SPREAD = 1e-3  # embeddings count as one point if their spread is smaller in every step of an epoch


def embedding_spread(embeddings: Tensor) -> Tensor:
    """Return the mean squared distance of embeddings (N, D) from their mean, divided by their mean squared length.

    In [0, 1]; 0: all embeddings are equal.
    """
    wide = embeddings.float()
    away = (wide - wide.mean(0)).square().sum(1).mean()
    return away / wide.square().sum(1).mean().clamp(min=torch.finfo(torch.float32).tiny)


class StepReporter(Protocol):
    """What the training reports its steps to; reporting.reporter.Reporter says more."""

    def log_step(self, step: int, values: dict[str, float]) -> None:
        """Log numbers of a training step."""

    def log_batch(self, step: int, tiles: np.ndarray, classes: np.ndarray, rows: list[tuple[str, np.ndarray]]) -> None:
        """Log tiles (N, C, size, size) of a batch, their classes (N, size, size), and for each role its tiles."""

    def log_hardest(
        self, step: int, tiles: np.ndarray, classes: np.ndarray, rows: list[tuple[str, np.ndarray]], losses: list[float]
    ) -> None:
        """Log the tuples of an epoch with the largest losses, as `log_batch` does."""

    def log_distances(self, step: int, distances: dict[str, np.ndarray]) -> None:
        """Log squared distances (B,) of the anchors of a batch, by role."""

    def flush(self) -> None:
        """Write everything that was logged so far to the disk."""


class Progress:
    """Logs the numbers of every step, and pictures of the last step before each evaluation, on a GPU of some of them.

    Args:
        config: config of the run
        maps: tiles of the image map, and their labels
        reporter: receives everything that is logged

    Attributes:
        sampled: positions of the tiles trained on so far
        hardest: tuples with the largest loss in this epoch
        losses: losses of the steps of this epoch that this process trained
    """

    def __init__(self, config: Config, maps: OpenMaps, reporter: StepReporter):
        self.config, self.maps, self.reporter = config, maps, reporter
        self.sampled, self.hardest = SampledPositions(), HardestTuples()
        self.losses: list[float] = []
        self._spreads: list[float] = []
        self._pairs_every = PAIRS_EVERY if config.cache else config.iterations
        self._drawn_at, self._drawing_seconds = -math.inf, 0.0

    def state_dict(self) -> dict:
        """Return the part of a checkpoint that belongs to this object."""
        return {"sampled": self.sampled.state_dict(), "hardest": self.hardest.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Restore the state from what `state_dict` returned."""
        self.sampled.load_state_dict(state["sampled"])
        self.hardest.load_state_dict(state["hardest"])

    def begin_epoch(self) -> None:
        """Clear everything that belongs to a single epoch."""
        self.hardest.clear()
        self.losses, self._spreads = [], []

    def step_values(self, loss: Tensor, output: StepOutput) -> dict[str, Tensor]:
        """Return the numbers of a step, scalar tensors on the device; "finite" is 1 if all embeddings are finite."""
        tensors = {
            "finite": output.embeddings.detach().isfinite().all(),
            "loss": loss,
            "active_share": (output.terms.detach() > 0).float().sum() / max(len(output.terms), 1),
            "embedding_spread": embedding_spread(output.embeddings.detach()),
        }
        present = {role: distances for role, distances in output.distances.items() if len(distances)}
        return tensors | {f"{role}_distance": distances.mean() for role, distances in present.items()}

    def log(self, batch: Batch, output: StepOutput, terms: np.ndarray, values: dict[str, float]) -> None:
        """Log a finished step, with its loss terms (n,) and its numbers."""
        values = values | {"learning_rate": learning_rate(self.config, batch.step)}
        self.losses.append(values["loss"])
        self._spreads.append(values["embedding_spread"])
        for role, indices in batch.roles.items():
            self.sampled.add(role, batch.positions[indices])
        self.hardest.add(terms, batch.positions, output.tiles_of_terms)
        self.reporter.log_step(batch.step, values | self._false_shares(batch, output))
        if self.config.is_evaluated_after(batch.step) and self._has_time_for_pictures(batch.step):
            started = time.monotonic()
            self._log_pictures(batch, output)
            self._drawn_at = time.monotonic()
            self._drawing_seconds = self._drawn_at - started

    def _has_time_for_pictures(self, step: int) -> bool:
        """Whether pictures are logged after this step: on a CPU always, so that equal configs show equal pictures."""
        is_last = step == self.config.epochs * self.config.iterations
        has_time = self._drawing_seconds <= PICTURES_SHARE * (time.monotonic() - self._drawn_at)
        return has_time or is_last or self.config.device == "cpu"

    def _false_shares(self, batch: Batch, output: StepOutput) -> dict[str, float]:
        """Return the shares of pairs that the label map contradicts, in the first of every few steps; else {}."""
        is_due = (batch.step - 1) % self._pairs_every == 0
        return false_shares(output.used_pairs(), self.maps.read_labels) if is_due else {}

    def _log_pictures(self, batch: Batch, output: StepOutput) -> None:
        """Log the tiles of a batch, their distances, and the hardest tuples of the epoch."""
        step, is_whole = batch.step, len(batch.tiles) == len(batch.positions)
        tiles = batch.tiles if is_whole else self.maps.read(batch.positions)
        self.reporter.log_batch(step, tiles, self.maps.read_classes(batch.positions), list(batch.roles.items()))
        self.reporter.log_distances(
            step, {role: values.cpu().numpy() for role, values in output.distances.items() if len(values)}
        )
        positions, roles = self.hardest.tiles_by_role()
        if len(positions):
            tiles, classes = self.maps.read(positions), self.maps.read_classes(positions)
            self.reporter.log_hardest(step, tiles, classes, roles, self.hardest.losses)

    @contextmanager
    def epoch_bar(self, epoch: int, steps: range) -> Iterator[tqdm]:
        """Show a progress bar for the remaining steps of an epoch; without a terminal, print one line at the end."""
        name, started, total = f"epoch {epoch}/{self.config.epochs}", time.monotonic(), self.config.iterations
        with tqdm(total=total, initial=total - len(steps), desc=name, unit="step", disable=None) as bar:
            has_terminal = not bar.disable  # read it now: a closed bar is always disabled
            yield bar
        if not has_terminal:
            loss, seconds = np.mean(self.losses), time.monotonic() - started
            print(f"{name}: loss {loss:.4f}, {len(steps) / seconds:.2f} steps/s", flush=True)

    def advance(self, bar: tqdm) -> None:
        """Advance the bar by one step, and show the latest logged loss."""
        bar.update()
        bar.set_postfix(loss=f"{self.losses[-1]:.4f}" if self.losses else "", refresh=False)

    def warn_if_collapsed(self, epoch: int) -> None:
        """Log a warning if the embeddings were nearly equal in every step of the epoch."""
        if self._spreads and max(self._spreads) < COLLAPSED_SPREAD:
            log.warning(
                "epoch %d: the embeddings have collapsed into one point (their spread is at most %.1e, of 1): the "
                "network cannot distinguish tiles. Choose a smaller 'learning_rate', or less or other 'mining'.",
                epoch, max(self._spreads),
            )  # fmt: skip
