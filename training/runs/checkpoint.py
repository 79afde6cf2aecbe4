"""Checkpoints: everything that a run needs to resume exactly where it stopped.

A checkpoint is a dict of plain values and tensors. It is written atomically, and read with weights_only=True, so that
code in it can never run. All random draws of a run come from generators seeded with the seed and the step; so the only
random state in a checkpoint is the sampler's last anchor and torch's own generators (for networks with dropout). The
learning rate follows from the step, and bf16 needs no gradient scaler.
"""

import hashlib
import logging
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from config import UserError
from storage import atomic_write, link_or_copy, storage_error
from training.runs.faults import is_out_of_memory

FORMAT = 2  # increase it when the content of a checkpoint changes
LAST, BEST = "last.pt", "best.pt"
log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoint files in a run's folder.

    Args:
        folder: folder of the run
        minutes: minutes after which the next checkpoint is due
        metadata: stored in every checkpoint: the config and the maps of the run
    """

    def __init__(self, folder: Path, minutes: float, metadata: dict | None = None):
        self.folder, self.minutes, self.metadata = folder, minutes, metadata or {}
        self._written_at = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last checkpoint is older than `minutes`."""
        return time.monotonic() - self._written_at >= 60 * self.minutes

    def write(self, content: dict) -> None:
        """Write last.pt, replacing the previous one.

        Raises:
            StorageError: the file cannot be written; then the previous one is unchanged
        """
        save(self.folder / LAST, self.metadata | content)
        self._written_at = time.monotonic()
        pending = {name_of_evaluated(step) for step in content["evaluating"]}
        for path in self.folder.glob("evaluating*.pt"):
            if path.name not in pending:  # evaluated, or another network took its place
                path.unlink(missing_ok=True)

    def load(self, name: str) -> dict:
        """Read a checkpoint of this run by file name; see `load`."""
        return load(self.folder / name)

    def save_for_evaluation(self, step: int) -> None:
        """Keep a copy of last.pt, which holds the network of this step, until its evaluation is no longer pending."""
        link_or_copy(self.folder / LAST, self.folder / name_of_evaluated(step))

    def save_as_best(self, step: int) -> None:
        """Copy the network that was saved for evaluation at this step to best.pt."""
        link_or_copy(self.folder / name_of_evaluated(step), self.folder / BEST)


def name_of_evaluated(step: int) -> str:
    """Return the name of the checkpoint file that keeps the network of a step until it is evaluated."""
    return f"evaluating-{step:06d}.pt"


def save(path: Path, content: dict) -> None:
    """Write a checkpoint atomically: the file appears complete or not at all."""
    with atomic_write(path) as temporary:
        try:
            torch.save({"format": FORMAT, **content}, temporary)
        except RuntimeError as error:  # torch turns every disk error into a RuntimeError
            if is_out_of_memory(error):
                raise
            raise storage_error(path, OSError("only a part of it could be")) from None


def load(path: Path) -> dict:
    """Return the content of a checkpoint, with its tensors on the CPU.

    Raises:
        UserError: the file is missing, damaged, or not a checkpoint of this program
    """
    with _convert_load_errors(path), path.open("rb") as file:
        return _content(path, file)


def load_with_digest(path: Path) -> tuple[dict, str]:
    """Return the content of a checkpoint as `load` does, and its digest as `file_digest` returns it.

    Both are of one file, also where a training replaces it meanwhile.
    """
    with _convert_load_errors(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return _content(path, file), digest


def _content(path: Path, file: BinaryIO) -> dict:
    """Return the content of an open checkpoint; see `load`."""
    with zipfile.ZipFile(file) as archive:  # torch writes checksums, but does not check them
        if archive.testzip() is not None:
            raise ValueError("its checksums do not match")
    file.seek(0)
    content = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path}: not a checkpoint of this version of the program. Start a new run.")
    if not isinstance(pending := content.get("evaluating", []), list):  # of earlier revisions: one step, or None
        content["evaluating"] = [] if pending is None else [pending]
    return content


@contextmanager
def _convert_load_errors(path: Path) -> Iterator[None]:
    """Turn an error of loading a checkpoint within the block into a UserError that says what to do next."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such checkpoint.") from None
    except Exception as error:  # torch's errors here have no common class
        if is_out_of_memory(error):
            raise
        reason, best = str(error).partition("\n")[0], path.with_name(BEST)
        next_step = "Use that of another run." if path == best else f"To use the best network instead, give {best}."
        if path.name == LAST:
            next_step = f"To resume from the best network instead, copy {BEST} over it."
        raise UserError(f"{path}: damaged, or no checkpoint ({reason}). {next_step}") from None


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a checkpoint's file, which says which network it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def random_state() -> dict:
    """Return the state of torch's random generators."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def set_random_state(state: dict) -> None:
    """Restore what `random_state` returned; GPU generators only if the number of GPUs is the same."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def cloned_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a copy of a network's state dict, which does not change with the network."""
    return {name: value.detach().clone() for name, value in state.items()}


def to_tensors(arrays: Mapping[str, np.ndarray | None]) -> dict[str, torch.Tensor | None]:
    """Convert arrays to tensors, which a checkpoint may hold."""
    return {name: None if array is None else torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def to_arrays(tensors: dict[str, torch.Tensor | None]) -> dict[str, Any]:
    """Convert tensors from `to_tensors` back to arrays; None stays None."""
    return {name: None if tensor is None else tensor.numpy() for name, tensor in tensors.items()}
