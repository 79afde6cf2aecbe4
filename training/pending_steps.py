"""Training steps whose results the device may still be computing, logged in order once these have come."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dataProcessors.sampling.batches import Batch
from training.execution.device import Execution, PendingTensor, Timestamp
from training.progress import Progress
from training.runs.faults import Faults
from training.steps.step import Step, StepOutput


@dataclass(frozen=True)
class PendingStep:
    """A step whose results may still be on their way from the device.

    Attributes:
        batch: that it was made on
        output: what it made of the batch
        wait_seconds: for which there was no batch to make it on
        done_at: when the device was done with it, or will be
        names: of its values
        results: waits for the values and, after them, the loss terms
    """

    batch: Batch
    output: StepOutput
    wait_seconds: float
    done_at: Timestamp
    names: tuple[str, ...]
    results: PendingTensor

    @classmethod
    def of(
        cls, batch: Batch, output: StepOutput, wait_seconds: float, values: dict[str, Tensor], execution: Execution
    ) -> "PendingStep":
        """The step with these values, scalars, whose copies to the CPU begin now and are waited for later."""
        numbers = torch.stack([value.float() for value in values.values()])
        results = execution.fetch(torch.cat([numbers, output.terms.detach().float()]))
        return cls(batch, output, wait_seconds, execution.timestamp(), tuple(values), results)

    def read(self) -> tuple[dict[str, float], np.ndarray]:
        """The values, and the loss terms (n,) float32: waits for the device."""
        results = self.results()
        values, terms = results[: len(self.names)], results[len(self.names) :]
        return dict(zip(self.names, values.tolist())), terms.numpy()


class PendingSteps:
    """The steps that are not logged yet, in their order.

    Args:
        step: made their loss terms
        progress: logs them
        execution: made them
        faults: describes one that diverged

    Attributes:
        half_logged: whether logging a step was broken off
    """

    def __init__(self, step: Step, progress: Progress, execution: Execution, faults: Faults):
        self.step, self.progress, self.execution, self.faults = step, progress, execution, faults
        self.half_logged = False
        self._pending: deque[PendingStep] = deque()
        self._clock = execution.timestamp()  # when the step before the first of these was done

    def restart_clock(self) -> None:
        """What was done until now is no part of a step's time."""
        self._clock = self.execution.timestamp()

    def add(self, step: PendingStep) -> None:
        """Add a step, and log those that the device must be done with: it works on a few of them ahead."""
        self._pending.append(step)
        self.log(self.execution.max_pending_steps)

    def log(self, pending: int = 0) -> None:
        """Wait for the results of all but the last `pending` steps, and log them.

        Raises:
            UserError: the training diverged with one of them
        """
        while len(self._pending) > pending:
            self.half_logged = True
            self._log(self._pending.popleft())
            self.half_logged = False

    def _log(self, step: PendingStep) -> None:
        batch = step.batch
        values, terms = step.read()
        if not values.pop("finite"):
            raise self.faults.diverged(batch.step, "an embedding is not finite", batch)
        if not math.isfinite(values["loss"]):
            raise self.faults.diverged(batch.step, f"the loss is {values['loss']}", batch)
        self.step.finish(batch, terms)
        self.progress.log(batch, step.output, terms, values | self._speed(step))

    def _speed(self, step: PendingStep) -> dict[str, float]:
        seconds = self.execution.seconds_between(self._clock, step.done_at)
        self._clock = step.done_at
        return {
            "tiles_per_second": len(step.batch.tiles) / seconds,
            "wait_share": min(step.wait_seconds / seconds, 1.0),  # a device that works ahead is waited for before
        }
