"""Training steps whose results the device may still be computing. They are logged in order when the results arrive."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dataProcessors.sampling.batch import Batch
from training.execution.device import Execution, PendingTensor, Timestamp
from training.execution.processes import ALONE, Processes
from training.progress import Progress
from training.runs.faults import Faults
from training.steps.step import Step, StepOutput


@dataclass(frozen=True)
class PendingStep:
    """A training step whose results may still be on the way from the device.

    Attributes:
        batch: batch of the step
        output: output of the step
        wait_seconds: seconds that training waited for the batch
        done_at: when the device finishes, or finished, the step
        names: names of the logged values
        results: waits for, then returns, one tensor of the first process: the logged values, followed by the loss terms
    """

    batch: Batch
    output: StepOutput
    wait_seconds: float
    done_at: Timestamp
    names: tuple[str, ...]
    results: PendingTensor

    @classmethod
    def of(
        cls, batch: Batch, output: StepOutput, wait_seconds: float, values: dict[str, Tensor], execution: Execution,
        processes: Processes = ALONE,
    ) -> "PendingStep":  # fmt: skip
        """Return a pending step, and start to copy its values (scalars) and loss terms to the CPU.

        All processes have computed the same; they get those of the first one, so that rounding cannot part them. They
        get them here, in the middle of a step. Later a single process may have to log it, as it ends with an error.
        """
        numbers = torch.stack([value.float() for value in values.values()])
        own = torch.cat([numbers, output.terms.detach().float()])
        results = execution.start_download(processes.broadcast_tensor(own))
        return cls(batch, output, wait_seconds, execution.timestamp(), tuple(values), results)

    def read(self) -> tuple[dict[str, float], np.ndarray]:
        """Wait for the device, then return the logged values and the loss terms (n,) float32."""
        results = self.results()
        values, terms = results[: len(self.names)], results[len(self.names) :]
        return dict(zip(self.names, values.tolist())), terms.numpy()


class PendingSteps:
    """The steps that are not logged yet, oldest first.

    Args:
        step: receives the loss terms of each step
        progress: logs each step
        execution: device that computes the steps
        faults: makes the error message if a step diverged

    Attributes:
        is_logging: whether a step is being logged; stays True if an error or a signal interrupts the logging
    """

    def __init__(self, step: Step, progress: Progress, execution: Execution, faults: Faults):
        self.step, self.progress, self.execution, self.faults = step, progress, execution, faults
        self.is_logging = False
        self._pending: deque[tuple[PendingStep, Timestamp]] = deque()  # with the moment from which each is measured
        self._clock = execution.timestamp()  # from which the next step is measured

    def restart_clock(self) -> None:
        """Exclude the time until now from the duration of the step that is added next."""
        self._clock = self.execution.timestamp()

    def add(self, step: PendingStep) -> None:
        """Add a step, then log all steps but the newest `max_pending_steps`, which the device may still compute."""
        self._pending.append((step, self._clock))
        self._clock = step.done_at
        self.log(self.execution.max_pending_steps)

    def log(self, pending: int = 0) -> None:
        """Wait for the results of all but the last `pending` steps, and log them.

        Raises:
            UserError: the training diverged in one of them
        """
        while len(self._pending) > pending:
            self.is_logging = True
            self._log(*self._pending.popleft())
            self.is_logging = False

    def _log(self, step: PendingStep, began_at: Timestamp) -> None:
        """Wait for the results of a step, check that they are finite, and log them."""
        batch = step.batch
        values, terms = step.read()
        if not values.pop("finite"):
            raise self.faults.divergence_error(batch.step, "an embedding is not finite", batch)
        if not math.isfinite(values["loss"]):
            raise self.faults.divergence_error(batch.step, f"the loss is {values['loss']}", batch)
        self.step.finish(batch, terms)
        self.progress.log(batch, step.output, terms, values | self._speed(step, began_at))

    def _speed(self, step: PendingStep, began_at: Timestamp) -> dict[str, float]:
        """Return the logged speed of a step; its duration is measured from the end of the previous step."""
        seconds = self.execution.seconds_between(began_at, step.done_at)
        return {
            "tiles_per_second": len(step.batch.positions) / seconds,
            # the ratio may exceed 1, because a GPU still computes earlier steps while training waits for a batch
            "wait_share": min(step.wait_seconds / seconds, 1.0),
        }
