"""A training step that has been made, or that the device is still making."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dataProcessors.batches import Batch
from training.execution import Execution, Later, Mark
from training.steps import Outcome


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
