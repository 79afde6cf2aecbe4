"""Training steps that have been made, or that the device is still making, and what is noted of them."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dataProcessors.sampling.batches import Batch
from training.execution.device import Execution, Later, Mark
from training.progress import Progress
from training.runs.faults import Faults
from training.steps.step import Outcome, Step


@dataclass(frozen=True)
class MadeStep:
    """A step whose results may still be on their way from the device.

    Attributes:
        batch: that it was made on
        outcome: what it made of it
        waited: seconds for which there was no batch to make it on
        done: when it was, or will be
        names: of its values
        results: waits for the values and, after them, the loss terms
    """

    batch: Batch
    outcome: Outcome
    waited: float
    done: Mark
    names: tuple[str, ...]
    results: Later

    @classmethod
    def of(
        cls, batch: Batch, outcome: Outcome, waited: float, values: dict[str, Tensor], execution: Execution
    ) -> "MadeStep":
        """The step with these values, scalars; they are asked for now, and read later."""
        numbers = torch.stack([value.float() for value in values.values()])
        results = execution.fetch(torch.cat([numbers, outcome.terms.detach().float()]))
        return cls(batch, outcome, waited, execution.mark(), tuple(values), results)

    def read(self) -> tuple[dict[str, float], np.ndarray]:
        """The values, and the loss terms (n,) float32: waits for the device."""
        results = self.results()
        values, terms = results[: len(self.names)], results[len(self.names) :]
        return dict(zip(self.names, values.tolist())), terms.numpy()


class MadeSteps:
    """Steps made, in their order: each is noted once its results have come.

    Args:
        step: what made their loss terms
        progress: notes them
        execution: made them
        faults: tells of one that diverged
        is_evaluated: whether the network is evaluated after a step

    Attributes:
        half_noted: whether noting a step was broken off
    """

    def __init__(
        self, step: Step, progress: Progress, execution: Execution, faults: Faults, is_evaluated: Callable[[int], bool]
    ):
        self.step, self.progress, self.execution, self.faults = step, progress, execution, faults
        self.is_evaluated = is_evaluated
        self.half_noted = False
        self._unread: deque[MadeStep] = deque()
        self._before = execution.mark()  # when the step before the one to be read was done

    def start_clock(self) -> None:
        """What was until now is no part of a step."""
        self._before = self.execution.mark()

    def add(self, made: MadeStep) -> None:
        """One more was made. The results of as many as the device works ahead are left for later."""
        self._unread.append(made)
        self.note(self.execution.steps_ahead)

    def note(self, left: int = 0) -> None:
        """Wait for the results of all but the last `left`, and note them.

        Raises:
            UserError: the training diverged with one of them
        """
        while len(self._unread) > left:
            self.half_noted = True
            self._note(self._unread.popleft())
            self.half_noted = False

    def _note(self, made: MadeStep) -> None:
        batch = made.batch
        values, terms = made.read()
        if not values.pop("finite"):
            raise self.faults.diverged(batch.step, "an embedding is not finite", batch)
        if not math.isfinite(values["loss"]):
            raise self.faults.diverged(batch.step, f"the loss is {values['loss']}", batch)
        self.step.finish(batch, terms)
        self.progress.add(batch, made.outcome, terms, values | self._pace(made))
        if self.is_evaluated(batch.step):
            self.progress.show(batch, made.outcome)

    def _pace(self, made: MadeStep) -> dict[str, float]:
        seconds = self.execution.seconds_between(self._before, made.done)
        self._before = made.done
        return {
            "tiles_per_second": len(made.batch.tiles) / seconds,
            "wait_share": min(made.waited / seconds, 1.0),  # of a device that works ahead some is waited beforehand
        }
