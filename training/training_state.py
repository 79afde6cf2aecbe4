"""The state of a training: everything that a checkpoint must hold to resume it."""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from config import Config, UserError
from dataProcessors.sampling.batch import Batch
from training.progress import Progress
from training.runs import checkpoint as checkpoints
from training.runs.faults import is_out_of_memory
from training.scoring.snapshot_scorer import SnapshotScorer
from training.steps.step import Step


class HasState(Protocol):
    """A part of the training whose state a checkpoint holds."""

    def state_dict(self) -> dict:
        """Return plain values and tensors."""

    def load_state_dict(self, state: dict) -> None:
        """Restore the state from what `state_dict` returned."""


class TrainingState:
    """How far a training is, and the objects whose state a checkpoint holds.

    Args:
        config: config of the run
        network: network that is trained
        optimizer: optimizer of its parameters
        step: samples the batches
        scorer: computes and reports the evaluations
        progress: logs the steps

    Attributes:
        steps_done: number of steps trained
        is_updating: whether the weights are being updated; stays True if an error interrupts the update
        pending_evaluations: steps, rising, whose networks wait for their evaluation or are being evaluated
        last_anchor: (2,) position of the sampler's last anchor; None: no anchor yet
    """

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        step: Step,
        scorer: SnapshotScorer,
        progress: Progress,
    ):
        self.config, self.network, self.optimizer = config, network, optimizer
        # by their keys in a checkpoint
        self._parts: dict[str, HasState] = {"batches": step, "progress": progress, "scorer": scorer}
        self._step, self._scorer, self.progress = step, scorer, progress
        self.steps_done, self.is_updating = 0, False
        self.pending_evaluations: list[int] = []
        self.last_anchor: np.ndarray | None = None

    def advance(self, batch: Batch) -> None:
        """Count one more step, trained on this batch."""
        self.steps_done, self.last_anchor = batch.step, batch.last_anchor
        self.is_updating = False

    @property
    def is_untrained(self) -> bool:
        """Whether no step is trained, and the untrained network is not evaluated yet."""
        return self.steps_done == 0 and self._scorer.scored_step < 0

    @property
    def is_finite(self) -> bool:
        """Whether all weights are finite, so that training can continue from them."""
        return bool(torch.stack([parameter.detach().isfinite().all() for parameter in self.network.parameters()]).all())

    def state_dict(self) -> dict:
        """Return the content of a checkpoint; see training.runs.checkpoint."""
        return {
            "step": self.steps_done,
            "epoch": self.steps_done // self.config.iterations,
            "evaluating": list(self.pending_evaluations),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": checkpoints.random_state(),
            "place": checkpoints.to_tensors({"last_anchor": self.last_anchor}),
        } | {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict, folder: Path) -> None:
        """Restore the state from what `state_dict` returned.

        Args:
            state: content of a checkpoint
            folder: folder of the run, for the error message
        Raises:
            UserError: the checkpoint belongs to another network
        """
        try:
            self.network.load_state_dict(state["network"])
            for saved, own in zip(state["optimizer"]["param_groups"], self.optimizer.param_groups):
                saved["fused"] = own["fused"]  # depends on the device, which may have changed
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{folder}: the checkpoint belongs to another network ({reason}). Start a new run instead."
            ) from None
        checkpoints.set_random_state(state["random"])
        self.steps_done, self.pending_evaluations = state["step"], list(state["evaluating"])
        self.last_anchor = self._step.batches.last_anchor = checkpoints.to_arrays(state["place"])["last_anchor"]
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
