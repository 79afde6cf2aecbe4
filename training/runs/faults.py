"""Errors during training (divergence, lack of memory): how they are detected, and their messages for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from config import Config, UserError
from dataProcessors.sampling.batch import Batch
from storage import atomic_write

SHOWN_POSITIONS = 3  # of a batch, in an error message
# parts of the messages of errors that have no class of their own
LOST_PROCESS = ("gloo/", "NCCL", "Connection closed by peer", "Connection reset by peer")
HOST_MEMORY = "DefaultCPUAllocator"
OUT_OF_MEMORY = (HOST_MEMORY, "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "MPS backend out of")


class NotFinite(Exception):
    """An embedding is NaN or infinite."""


def require_finite(embeddings: Tensor) -> Tensor:
    """Wait for the embeddings and return them. Raise NotFinite if one is NaN or infinite."""
    if not embeddings.isfinite().all():
        raise NotFinite
    return embeddings


class OutOfMemory(UserError):
    """The memory is too small for a batch."""


class Faults:
    """Turns errors of a training into one clear message for the user.

    Args:
        folder: folder of the run; the batch at which the training diverged is saved there
        config: config of the run
        device: device that computes
    """

    def __init__(self, folder: Path, config: Config, device: torch.device):
        self.folder, self.config, self.device = folder, config, device

    def divergence_error(self, step: int, what: str, batch: Batch | None = None) -> UserError:
        """Return the error for a training that diverged. Save the batch for inspection, if it is known."""
        rate = f"{self.config.learning_rate:g}"
        message = f"At step {step:,}, with learning rate {rate}, {what}: the training has diverged."
        if batch is not None and batch.share.rank == 0:
            path = self.folder / f"not_finite-{step:06d}.npz"
            with atomic_write(path) as temporary:
                positions = batch.share.of(batch.positions)
                arrays: dict[str, Any] = {"positions": positions, "tiles": batch.tiles} | batch.own_roles
                np.savez(temporary, **arrays)
            shown = ", ".join(str(tuple(position)) for position in positions[:SHOWN_POSITIONS].tolist())
            message += f" The batch, {len(batch.tiles)} tiles at {shown}, ..., is saved in {path}."
        return UserError(f"{message} Earlier checkpoints are kept. Choose a smaller 'learning_rate'.")

    @contextmanager
    def catch(self, step: int, where: str, work: str, keys: str = "", batch: Batch | None = None) -> Iterator[None]:
        """Raise a UserError if the code in the block diverges or needs too much memory.

        Args:
            step: current step, or the last one
            where: added to the message, e.g. " outside of a step"; "" in a training step
            work: description of what is computed, with the number of tiles and its reason
            keys: config keys to make smaller, for the message
            batch: batch that is computed
        """
        try:
            yield
        except NotFinite:
            raise self.divergence_error(step, f"an embedding{where} is not finite", batch) from None
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise self.out_of_memory_error(error, step, work, keys) from None

    def out_of_memory_error(self, error: Exception, step: int, work: str, keys: str = "") -> OutOfMemory:
        """Return the message for an error for which `is_out_of_memory` is True; arguments as for `catch`."""
        is_host = isinstance(error, MemoryError) or HOST_MEMORY in str(error)
        smaller = f"Choose a smaller {keys}, or free" if keys else "Free"
        return OutOfMemory(
            f"At step {step:,} the memory of {'this machine' if is_host else self.device} is too small for {work} "
            f"of {self.config.image_size} pixels. {smaller} memory that other programs use."
        )


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether the error means that a device or the machine has no memory left."""
    has_class = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return has_class or any(words in str(error) for words in OUT_OF_MEMORY)


def is_lost_process(error: BaseException | None) -> bool:
    """Whether the error means that another process of the run cannot be reached any more."""
    has_words = isinstance(error, RuntimeError) and any(words in str(error) for words in LOST_PROCESS)
    return has_words or isinstance(error, dist.DistError)


def describe_batch(batch: Batch, config: Config) -> str:
    """Describe the size of a batch: its tiles, and the config keys that it depends on."""
    factor = f"'magnet_clusters' {config.magnet_clusters}" if config.loss_name == "magnetloss" else len(batch.roles)
    tiles = f"a batch of {len(batch.positions)} tiles ({factor} x 'batch_size' {config.batch_size})"
    if batch.share.number > 1:
        tiles = f"{len(batch.tiles)} tiles, a process's share of {tiles}"
    drawn = sum(drawn.shape[0] * drawn.shape[1] for _, drawn in batch.candidates.values())
    return f"{tiles} and {drawn} draws of offline mining" if drawn else tiles
