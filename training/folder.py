"""The run's folder: results/NAME with all that says what was run."""

import json
import os
import platform
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path

import torch

from config import Config, UserError

RESULTS = Path("results")
PACKAGES = ("torch", "torchvision", "timm", "rasterio", "numpy", "scikit-learn", "umap-learn", "tensorboard")


def create_folder(name: str, results: Path = RESULTS) -> Path:
    """A new folder results/NAME, or NAME-2, NAME-3, ... where that exists.

    Raises:
        UserError: nothing can be written there
    """
    for number in count(1):
        folder = results / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"{folder}: the run's folder cannot be made: {error}. Run where you may write.") from None


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it appears whole or not at all."""
    _write(path, lambda temporary: temporary.write_text(text, encoding="utf8"))


def save_weights(path: Path, state: dict) -> None:
    """Write a network's state (tensors by name) so that the file appears whole; read it with weights_only=True."""
    _write(path, lambda temporary: torch.save(state, temporary))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def describe_run(folder: Path, config: Config, maps: dict[str, dict]) -> None:
    """Write config.json (resolved) and run.json: command line, versions, git revision, what the maps were."""
    write_whole(folder / "config.json", config.to_json())
    about = {
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "command": sys.argv,
        "python": platform.python_version(),
        "machine": f"{platform.platform()}, {os.cpu_count()} cores",
        "packages": {package: _version(package) for package in PACKAGES},
        "git_revision": _git_revision(),
        "maps": maps,
    }
    write_whole(folder / "run.json", json.dumps(about, indent=1) + "\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """Revision of this program, with -dirty where files were changed; None where it does not come from git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
