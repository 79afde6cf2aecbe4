"""What goes wrong in a training: how it is noticed, and what is told of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from config import Config, UserError
from dataProcessors.sampling.batches import Batch
from storage import atomic_write

SHOWN_POSITIONS = 3  # of a batch, in a message
# in the texts of errors that have no class of their own
HOST_MEMORY = "DefaultCPUAllocator"
OUT_OF_MEMORY = (HOST_MEMORY, "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "MPS backend out of")


class NotFinite(Exception):
    """The network gave embeddings that are not finite."""


def require_finite(embeddings: Tensor) -> Tensor:
    """The embeddings, waited for. Raises NotFinite if one is not."""
    if not embeddings.isfinite().all():
        raise NotFinite
    return embeddings


class OutOfMemory(UserError):
    """There is too little memory for a batch."""


class Faults:
    """Turns what may go wrong while a network computes into one message.

    Args:
        folder: of the run; a batch that the training diverged at is saved there
        config: of the run
        device: that computes
    """

    def __init__(self, folder: Path, config: Config, device: torch.device):
        self.folder, self.config, self.device = folder, config, device

    def diverged(self, step: int, what: str, batch: Batch | None = None) -> UserError:
        """What to tell of a training that diverged; the batch, if it is known, is saved for inspection."""
        told = f"At step {step:,}, with learning rate {self.config.learning_rate:g}, {what}: the training has diverged."
        if batch is not None:
            path = self.folder / f"not_finite-{step:06d}.npz"
            with atomic_write(path) as temporary:
                np.savez(temporary, positions=batch.positions, tiles=batch.tiles, **batch.roles)
            shown = ", ".join(str(tuple(position)) for position in batch.positions[:SHOWN_POSITIONS].tolist())
            told += f" The batch, {len(batch.tiles)} tiles at {shown}, ..., is in {path}."
        return UserError(f"{told} The checkpoints of before are kept. Choose a smaller 'learning_rate'.")

    @contextmanager
    def catch(self, step: int, where: str, tiles: str, keys: str = "", batch: Batch | None = None) -> Iterator[None]:
        """What is computed within, at a step, ends in a UserError where it diverges or is too large.

        Args:
            step: that is being made, or was made last
            where: the embeddings are made, unless in a training step
            tiles: how many pass the network, and what makes them so many
            keys: of the config that make less of them
            batch: that they are of
        """
        try:
            yield
        except NotFinite:
            raise self.diverged(step, f"an embedding{where} is not finite", batch) from None
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise self.out_of_memory(error, step, tiles, keys) from None

    def out_of_memory(self, error: Exception, step: int, tiles: str, keys: str = "") -> OutOfMemory:
        """What to tell of an error for which `is_out_of_memory` holds; else as for `told`."""
        of_machine = isinstance(error, MemoryError) or HOST_MEMORY in str(error)
        smaller = f"Choose a smaller {keys}, or free" if keys else "Free"
        return OutOfMemory(
            f"At step {step:,} the memory of {'this machine' if of_machine else self.device} is too small for {tiles} "
            f"of {self.config.image_size} pixels. {smaller} memory that other programs use."
        )


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether a device, or the machine, had no memory left."""
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(words in str(error) for words in OUT_OF_MEMORY)


def describe_batch(batch: Batch, config: Config) -> str:
    """A batch in tiles, and the keys that make it so large."""
    made_of = f"'magnet_clusters' {config.magnet_clusters}" if config.loss_name == "magnetloss" else len(batch.roles)
    tiles = f"a batch of {len(batch.tiles)} tiles ({made_of} x 'batch_size' {config.batch_size})"
    drawn = sum(positions.shape[0] * positions.shape[1] for positions, _ in batch.candidates.values())
    return f"{tiles} and {drawn} draws of offline mining" if drawn else tiles
