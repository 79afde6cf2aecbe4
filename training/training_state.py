"""What of a training must be known to go on with it."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from config import Config, UserError
from dataProcessors.sampling.batches import Batch
from training.progress import Progress
from training.runs import checkpoint as checkpoints
from training.runs.faults import is_out_of_memory
from training.scoring.schedule import EvaluationSchedule
from training.steps.step import Step


class TrainingState:
    """How far a training is, and with it all of a checkpoint that changes.

    Args:
        config: of the run
        network: being trained
        optimizer: of its parameters
        step: makes the batches
        schedule: evaluates
        progress: what is logged of the steps

    Attributes:
        steps_done: steps trained
        is_updating: whether the weights may be between two steps
        pending_evaluation: the step whose network is to be evaluated, or is being; None: there is none
        last_anchor: (2,) where the sampler's walk stands; None: nowhere yet
    """

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        step: Step,
        schedule: EvaluationSchedule,
        progress: Progress,
    ):
        self.config, self.network, self.optimizer = config, network, optimizer
        self._parts = {"batches": step, "progress": progress, "scorer": schedule}  # the names of a checkpoint
        self._step, self._schedule, self.progress = step, schedule, progress
        self.steps_done, self.is_updating = 0, False
        self.pending_evaluation: int | None = None
        self.last_anchor: np.ndarray | None = None

    def advance(self, batch: Batch) -> None:
        """One more step is done, on this batch."""
        self.steps_done, self.last_anchor = batch.step, batch.last_anchor
        self.is_updating = False

    @property
    def is_untrained(self) -> bool:
        """Whether no step is done, and the network not evaluated either."""
        return self.steps_done == 0 and self._schedule.scored_step < 0

    @property
    def is_finite(self) -> bool:
        """Whether one can go on from the weights as they are."""
        return bool(torch.stack([parameter.detach().isfinite().all() for parameter in self.network.parameters()]).all())

    def state_dict(self) -> dict:
        """What training.runs.checkpoint writes."""
        return {
            "step": self.steps_done,
            "epoch": self.steps_done // self.config.iterations,
            "evaluating": self.pending_evaluation,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": checkpoints.random_state(),
            "place": checkpoints.to_tensors({"last_anchor": self.last_anchor}),
        } | {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict, folder: Path) -> None:
        """Go on from what `state_dict` gave. folder: of the run, for the message.

        Raises:
            UserError: it is of another network
        """
        try:
            self.network.load_state_dict(state["network"])
            for saved, own in zip(state["optimizer"]["param_groups"], self.optimizer.param_groups):
                saved["fused"] = own["fused"]  # is of the device, which may be another now
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
            raise UserError(f"{folder}: the checkpoint is of another network ({reason}).") from None
        checkpoints.set_random_state(state["random"])
        self.steps_done, self.pending_evaluation = state["step"], state["evaluating"]
        self.last_anchor = self._step.batches.last_anchor = checkpoints.to_arrays(state["place"])["last_anchor"]
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
