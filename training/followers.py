"""What all processes of a run but the first have instead of reports, checkpoints and evaluations."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dataProcessors.sampling.batch import Batch
from training.progress import Progress
from training.runs.checkpoint import Checkpoints
from training.scoring.snapshot import Snapshot
from training.scoring.snapshot_scorer import OnEvaluated, SnapshotScorer
from training.steps.step import StepOutput


class NoReports:
    """Reports nothing."""

    def _ignore(self, *arguments: Any) -> None:
        """Do nothing."""

    log_step = log_batch = log_hardest = log_distances = log_scores = log_figures = flush = _ignore


class QuietProgress(Progress):
    """Keeps the losses of an epoch, and logs nothing."""

    def log(self, batch: Batch, output: StepOutput, terms: np.ndarray, values: dict[str, float]) -> None:
        """Note the loss of a finished step."""
        self.losses.append(values["loss"])


class NoCheckpoints(Checkpoints):
    """Writes no checkpoints."""

    def is_due(self) -> bool:
        """Whether a checkpoint is due: the first process knows."""
        return False

    def write(self, content: dict) -> None:
        """Do nothing."""

    def save_for_evaluation(self, step: int) -> None:
        """Do nothing."""

    def save_as_best(self, step: int) -> None:
        """Do nothing."""


class EvaluationElsewhere(SnapshotScorer):
    """Takes every snapshot as evaluated: the first process scores it."""

    def submit(self, snapshot: Snapshot, on_evaluated: OnEvaluated) -> None:
        """Note the step of a snapshot."""
        self.scored_step = snapshot.step
        on_evaluated(snapshot, False)

    def is_ready(self, seconds_left: float) -> bool:
        """Whether an evaluation can begin: the first process begins them."""
        return False

    def finish(self, snapshot_of: Callable[[str], Snapshot | None]) -> None:
        """Draw nothing."""
