"""Checkpoints: all that a run needs to go on as if nothing had happened.

A checkpoint is a dict of plain values and tensors, written whole and read with weights_only=True, so that no code in
it can ever run. Every draw of a run comes from a generator of the seed and the step, which leaves little to remember:
where the sampler's walk stands, and torch's own generators, for networks with dropout. There is no schedule (the
learning rate is constant), and no gradient scaler (bf16 needs none).
"""

import json
import time
import zipfile
from pathlib import Path

import numpy as np
import torch

from config import CHANGEABLE_ON_RESUME, Config, ConfigError, UserError, validate
from storage import atomic_write, link_or_copy, storage_error
from training.runs.faults import is_out_of_memory

FORMAT = 2  # a change of what a checkpoint holds needs another number
LAST, BEST = "last.pt", "best.pt"
EVALUATING = "evaluating.pt"  # the network whose evaluation is not finished yet


class Checkpoints:
    """The checkpoints in a run's folder.

    Args:
        folder: of the run
        minutes: after which another one is due
        about: what every checkpoint says of the run: its config, its maps
    """

    def __init__(self, folder: Path, minutes: float, about: dict | None = None):
        self.folder, self.minutes, self.about = folder, minutes, about or {}
        self._written_at = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last one is old enough."""
        return time.monotonic() - self._written_at >= 60 * self.minutes

    def write(self, content: dict) -> None:
        """Write last.pt, in place of the one before.

        Raises:
            StorageError: the disk refuses it; then the one before is still there
        """
        save(self.folder / LAST, self.about | content)
        self._written_at = time.monotonic()
        if content["evaluating"] is None:  # until now the last checkpoint named that one as not evaluated yet
            (self.folder / EVALUATING).unlink(missing_ok=True)

    def load(self, name: str) -> dict:
        """Read a checkpoint of this run by its file's name; see `load`."""
        return load(self.folder / name)

    def save_for_evaluation(self) -> None:
        """Keep last.pt under another name too, until its network is evaluated."""
        link_or_copy(self.folder / LAST, self.folder / EVALUATING)

    def mark_evaluated(self, is_best: bool) -> None:
        """The network saved for evaluation is evaluated: if it is the best, it becomes best.pt."""
        if is_best:
            link_or_copy(self.folder / EVALUATING, self.folder / BEST)


def save(path: Path, content: dict) -> None:
    """Write a checkpoint so that it appears whole or not at all."""
    with atomic_write(path) as temporary:
        try:
            torch.save({"format": FORMAT, **content}, temporary)
        except RuntimeError as error:  # which is what torch makes of any error of the disk
            if is_out_of_memory(error):
                raise
            raise storage_error(path, OSError("only a part of it could be")) from None


def load(path: Path) -> dict:
    """Read a checkpoint, its tensors onto the CPU.

    Raises:
        UserError: it is not there, damaged, or none of this program's
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself does not look at the checksums it writes
            if archive.testzip() is not None:
                raise ValueError("its checksums do not fit")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such checkpoint.") from None
    except Exception as error:  # torch's errors here have no class in common
        if is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path}: damaged, or no checkpoint ({reason}). "
            f"To go on from the best network instead, copy {BEST} over it."
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path}: no checkpoint of this version of the program. Start the run anew.")
    return content


def config_as_dict(config: Config) -> dict:
    """The config as a checkpoint holds it."""
    return json.loads(config.to_json())


def check_config(path: Path, config: Config, checkpoint: dict) -> None:
    """Raise a ConfigError that names the keys in which a config contradicts the checkpoint it is to go on from."""
    before = validate(checkpoint["config"], str(path))
    names = [name for name in type(config).model_fields if name not in CHANGEABLE_ON_RESUME]
    changed = [name for name in names if repr(getattr(config, name)) != repr(getattr(before, name))]  # True == 1
    if changed:
        told = "\n".join(
            f"  '{name}' is {getattr(config, name)!r}, and was {getattr(before, name)!r}" for name in changed
        )
        raise ConfigError(
            f"{path}: the config contradicts the checkpoint:\n{told}\n"
            f"A run that is resumed may change only {', '.join(CHANGEABLE_ON_RESUME)}. "
            "Start a new run for anything else."
        )


def check_maps(path: Path, maps: dict[str, dict], checkpoint: dict) -> None:
    """Raise a UserError if a map is not the one that the run was made on, as far as its fingerprint tells."""
    for name, before in checkpoint["maps"].items():
        now = maps.get(name, {})
        changed = [key for key in ("bytes", "crs", "window") if now.get(key) != before[key]]
        if changed:
            told = ", ".join(f"{key} {now.get(key)}, before {before[key]}" for key in changed)
            raise UserError(
                f"{path}: {before['path']} is not the map that the run was made on ({told}). "
                "Put the old one back, or start a new run."
            )


def random_state() -> dict:
    """The state of torch's generators."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def set_random_state(state: dict) -> None:
    """Set what `random_state` gave; the generators of GPUs only where there are as many of them."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def cloned_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A network's state that does not change with the network."""
    return {name: value.detach().clone() for name, value in state.items()}


def to_tensors(arrays: dict[str, np.ndarray | None]) -> dict[str, torch.Tensor | None]:
    """Arrays as what a checkpoint may hold."""
    return {name: None if array is None else torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def to_arrays(tensors: dict[str, torch.Tensor | None]) -> dict[str, np.ndarray | None]:
    """The arrays that `to_tensors` was given."""
    return {name: None if tensor is None else tensor.numpy() for name, tensor in tensors.items()}
