"""What every training step has: batches, ways to embed their tiles, loss terms, and what a checkpoint keeps of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor, nn

from dataProcessors.sampling.batches import Batch, ClusterBatches, IndexBatches, Reader, TupleBatches
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.tile_sampler import TileSampler
from losses import Loss
from training.steps.history import Tuples

Embed = Callable[[np.ndarray], Tensor]  # raw tiles (N, C, H, W) -> embeddings (N, D)


class TileMaps(Protocol):
    """What a step needs of the maps of a run; see dataProcessors.maps.OpenMaps.

    Attributes:
        read: positions (N, 2) -> tiles (N, C, size, size)
        pools: "train" and others, where training is supervised
    """

    read: Reader
    pools: dict[str, Pool]

    def sampler(self) -> TileSampler:
        """Draws positions."""


@dataclass
class EmbedFunctions:
    """The ways a step may pass tiles through the network.

    Attributes:
        train: the tiles of a batch, augmented, in training mode, with gradient; they may not be finite
        no_grad: in evaluation mode, without gradient
        eval_with_grad: in evaluation mode, with gradient: for a few tiles, of which no batch statistics should be taken
    """

    train: Callable[[Batch], Tensor]
    no_grad: Embed
    eval_with_grad: Embed


@dataclass(frozen=True)
class StepOutput:
    """What a step makes of a batch.

    Attributes:
        terms: (n,) loss of each tuple or tile, with gradient
        embeddings: (N, D) of the batch's tiles
        distances: squared distances (n,) of the tuples' anchors to their positives and negatives, by role; for
            clusters the mean ones of each tile to the others of its cluster, and to those of other classes
        tuples: indices (k,) of terms -> role -> indices (k,) of the batch's tiles that the terms are of; -1: none
        loss: scalar, with gradient; None: the mean of the terms
    """

    terms: Tensor
    embeddings: Tensor
    distances: dict[str, Tensor]
    tuples: Tuples
    loss: Tensor | None = None


class Step(ABC):
    """One way to train: makes its batches and turns each into loss terms.

    Attributes:
        loss: makes the terms, and reduces them unless the output holds the loss itself
        batches: `.task(step)` makes a step's batch
    """

    loss: Loss | nn.Module
    batches: TupleBatches | ClusterBatches | IndexBatches

    @abstractmethod
    def __call__(self, batch: Batch, embed: EmbedFunctions) -> StepOutput:
        """Loss terms of a batch."""

    def begin_epoch(self, epoch: int, embed_positions: Callable[[np.ndarray], np.ndarray]) -> None:  # noqa: B027
        """Called before an epoch's first batch is drawn; embed_positions: (N, 2) -> embeddings (N, D)."""

    def finish(self, batch: Batch, terms: np.ndarray) -> None:  # noqa: B027
        """Called after the optimizer's step with the loss terms (n,) float32; on a GPU a step later."""

    def state_dict(self) -> dict:
        """What a checkpoint must hold beside the sampler's place: plain values and tensors."""
        return {}

    def load_state_dict(self, state: dict) -> None:  # noqa: B027
        """Go on from what `state_dict` gave."""
