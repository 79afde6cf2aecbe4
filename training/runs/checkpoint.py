"""Checkpoints: everything that a run needs to resume exactly where it stopped.

A checkpoint is a dict of plain values and tensors. It is written atomically, and read with weights_only=True, so that
code in it can never run. All random draws of a run come from generators seeded with the seed and the step; so the only
random state in a checkpoint is the sampler's last anchor and torch's own generators (for networks with dropout). The
learning rate follows from the step, and bf16 needs no gradient scaler.
"""

import hashlib
import json
import logging
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from config import CHANGEABLE_ON_RESUME, Config, ConfigError, Maps, UserError, validate
from storage import atomic_write, link_or_copy, storage_error
from training.runs.faults import is_out_of_memory

FORMAT = 2  # increase it when the content of a checkpoint changes
LAST, BEST = "last.pt", "best.pt"
# what of a map must be as before when a run is resumed -> how a difference is described; {}: now, before
MAP_FACTS = {
    "bytes": "{} bytes instead of {}",
    "crs": "CRS {} instead of {}",
    "size": "size {} instead of {}",
    "transform": "transform {} instead of {}",
    "type": "type {} instead of {}",
    "window": "part in use {} instead of {}",
    "content": "other pixels",
}
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
    with _load_errors_told(path), path.open("rb") as file:
        return _content(path, file)


def load_with_digest(path: Path) -> tuple[dict, str]:
    """Return the content of a checkpoint as `load` does, and its digest as `file_digest` returns it.

    Both are of one file, also where a training replaces it meanwhile.
    """
    with _load_errors_told(path), path.open("rb") as file:
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
def _load_errors_told(path: Path) -> Iterator[None]:
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


def check_revision(path: Path, checkpoint: dict) -> None:
    """Raise a UserError if the run cannot go on as it began.

    Earlier revisions of the program marked pixels without data by a value, which was then missing from the data.
    """
    if "normalisation.fill" in checkpoint["network"]:
        raise UserError(
            f"{path}: the run was started by an earlier revision of the program, which read this map's pixels without "
            "data in another way. Start a new run; its report and its network can still be used."
        )


def config_as_dict(config: Config) -> dict:
    """Return the config as a dict, as stored in a checkpoint."""
    return json.loads(config.to_json())


def check_config(path: Path, config: Config, checkpoint: dict) -> None:
    """Raise a ConfigError that lists the keys of a config that contradict the checkpoint to resume from."""
    before, now = (
        _fixed_settings(validate(content, str(path)))
        for content in (checkpoint["config"], config_as_dict(config))  # both as stored, without credentials
    )
    changed = [name for name in now | before if repr(now.get(name)) != repr(before.get(name))]  # True == 1
    if changed:
        lines = "\n".join(f"  '{name}' is {now.get(name)!r}, and was {before.get(name)!r}" for name in changed)
        raise ConfigError(
            f"{path}: the config contradicts the checkpoint:\n{lines}\n"
            f"Only {', '.join(CHANGEABLE_ON_RESUME)} and the paths of maps may change when a run is resumed. "
            "Start a new run for anything else."
        )


def _fixed_settings(config: Config) -> dict[str, object]:
    """Return all that must not change when a run is resumed: key -> value. Paths of maps are not among it."""
    settings = {name: value for name, value in config if name not in CHANGEABLE_ON_RESUME}
    if isinstance(config.maps, Maps):
        maps = dict(settings.pop("maps"))
        labels, legends = maps.pop("labels"), maps.pop("legends")
        maps |= {"image": list(config.maps.images), "labels": sorted(labels)}
        maps |= {f"labels.{name}.{key}": each for name, file in labels.items() for key, each in file if key != "path"}
        maps |= {f"legends.{name}": "a file" if Path(each).suffix else each for name, each in legends.items()}
        settings |= {f"maps.{key}": value for key, value in maps.items()}
    return settings


def check_maps(path: Path, maps: dict[str, dict], checkpoint: dict) -> None:
    """Compare the fingerprints of the maps with those of the maps that the run was started with.

    Where both have a hash of the content, the files themselves may be others. Checkpoints of earlier revisions have
    none; there the files must have as many bytes as before, and a warning says what was not compared.

    Raises:
        UserError: a map differs; the message says in what
    """
    for name, before in checkpoint["maps"].items():
        now = maps.get(name, {})
        file = now.get("path", before["path"])
        compared = [key for key in MAP_FACTS if key in before and not (key == "bytes" and "content" in before)]
        changed = [MAP_FACTS[key].format(now.get(key), before[key]) for key in compared if now.get(key) != before[key]]
        if changed:
            raise UserError(
                f"{path}: {file} is not the map that the run was started with ({before['path']}): "
                f"{', '.join(changed)}. Give the path of the same map, or start a new run."
            )
        if "content" not in before and file != before["path"]:
            log.warning(
                "%s: %s takes the place of %s. Its pixels could not be compared: an earlier revision of the program, "
                "which kept no hash of them, started the run", path, file, before["path"],
            )  # fmt: skip


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
