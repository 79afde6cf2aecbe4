"""What of a training must be known to go on with it."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from config import Config, UserError
from dataProcessors.maps import OpenMaps
from training.progress import Progress
from training.runs import checkpoint as checkpoints
from training.runs.faults import is_out_of_memory
from training.scoring.schedule import Scorer
from training.steps.step import Step


class TrainingState:
    """How far a training is, and with it all that a checkpoint holds.

    Args:
        config: of the run
        network: being trained
        optimizer: of its parameters
        step: makes the batches
        scorer: evaluates
        progress: what is noted of the steps
        maps: that the tiles come from

    Attributes:
        steps_done: steps trained
        evaluating: the step whose network is to be evaluated, or is being; None: there is none
        last_anchor: (2,) where the sampler's walk stands; None: nowhere yet
    """

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        step: Step,
        scorer: Scorer,
        progress: Progress,
        maps: OpenMaps,
    ):
        self.config, self.network, self.optimizer, self.maps = config, network, optimizer, maps
        self._parts = {"batches": step, "progress": progress, "scorer": scorer}
        self._step, self.progress = step, progress
        self.steps_done = 0
        self.evaluating: int | None = None
        self.last_anchor: np.ndarray | None = None

    @property
    def is_finite(self) -> bool:
        """Whether one can go on from the weights as they are."""
        return bool(torch.stack([parameter.detach().isfinite().all() for parameter in self.network.parameters()]).all())

    def state_dict(self) -> dict:
        """What training.runs.checkpoint writes."""
        return {
            "config": checkpoints.plain_config(self.config),
            "maps": self.maps.fingerprints(),
            "step": self.steps_done,
            "epoch": self.steps_done // self.config.iterations,
            "evaluating": self.evaluating,
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
            for kept, own in zip(state["optimizer"]["param_groups"], self.optimizer.param_groups):
                kept["fused"] = own["fused"]  # is of the device, which may be another now
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
            raise UserError(f"{folder}: the checkpoint is of another network ({reason}).") from None
        checkpoints.set_random_state(state["random"])
        self.steps_done, self.evaluating = state["step"], state["evaluating"]
        self.last_anchor = self._step.batches.last_anchor = checkpoints.to_arrays(state["place"])["last_anchor"]
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
