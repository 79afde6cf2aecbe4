"""Base class of all training steps: it samples batches and computes their loss terms."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor, nn

from dataProcessors.sampling.batch import Batch
from dataProcessors.sampling.batches import ClusterBatches, IndexBatches, TupleBatches
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.tile_sampler import TileSampler
from losses import Loss
from training.steps.history import TilesOfTerms
from training.steps.used_pairs import UsedPairs

Embed = Callable[[np.ndarray], Tensor]  # raw tiles (N, C, H, W) -> embeddings (N, D)


class TileMaps(Protocol):
    """The part of dataProcessors.maps.OpenMaps that a step needs."""

    @property
    def pools(self) -> dict[str, Pool]:
        """Pools by name; with "train" if training is supervised."""

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Read tiles (N, C, size, size) at positions (N, 2)."""

    def sampler(self) -> TileSampler:
        """Return the sampler of positions."""


@dataclass
class EmbedFunctions:
    """The forward passes that a step may use.

    Attributes:
        train: augmented tiles of a batch, training mode, with gradient; the embeddings (N, D) are those of the whole
            batch, of which other processes may have read a part, and are not checked to be finite
        no_grad: evaluation mode, without gradient
        eval_with_grad: evaluation mode, with gradient: for few tiles, too few to take batch statistics from
        gather: values (n, ...) for the tiles or tuples that this process has read, and their number N in the whole
            batch -> those of the whole batch (N, ...), in its order
    """

    train: Callable[[Batch], Tensor]
    no_grad: Embed
    eval_with_grad: Embed
    gather: Callable[[Tensor, int], Tensor] = lambda own, total: own


@dataclass(frozen=True)
class StepOutput:
    """The result of a step on a batch.

    Attributes:
        terms: (n,) loss of each tuple or tile, with gradient
        embeddings: (N, D) embeddings of the batch's tiles
        distances: role -> squared distances (n,) from each tuple's anchor to its tile in that role; for clusters, the
            mean squared distance from each tile to the other tiles of its cluster, and to tiles of other classes
        tiles_of_terms: returns the tiles in the batch that given terms belong to; see history.TilesOfTerms
        used_pairs: returns the pairs that the loss used, without waiting for the device
        loss: scalar, with gradient; None: the mean of the terms
    """

    terms: Tensor
    embeddings: Tensor
    distances: dict[str, Tensor]
    tiles_of_terms: TilesOfTerms
    used_pairs: Callable[[], UsedPairs]
    loss: Tensor | None = None


class Step(ABC):
    """One way to train: it samples the batches, and computes the loss terms of each batch.

    Attributes:
        loss: computes the terms; also their mean, unless the step's output contains the loss itself
        batches: `.task(step)` returns the task that makes the batch of a step
    """

    loss: Loss | nn.Module
    batches: TupleBatches | ClusterBatches | IndexBatches

    @abstractmethod
    def __call__(self, batch: Batch, embed: EmbedFunctions) -> StepOutput:
        """Return the loss terms of a batch."""

    def begin_epoch(self, epoch: int, embed_positions: Callable[[np.ndarray], np.ndarray]) -> None:  # noqa: B027
        """Called before the first batch of an epoch is drawn; embed_positions: (N, 2) -> embeddings (N, D)."""

    def finish(self, batch: Batch, terms: np.ndarray) -> None:  # noqa: B027
        """Called after the optimizer's step, with the loss terms (n,) float32; on a GPU one step later."""

    def state_dict(self) -> dict:
        """Return plain values and tensors for the checkpoint, which stores the last anchor separately."""
        return {}

    def load_state_dict(self, state: dict) -> None:  # noqa: B027
        """Restore the state from what `state_dict` returned."""
