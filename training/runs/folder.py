"""The run's folder: results/NAME with all that says what was run."""

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path

from config import Config, UserError
from storage import Lock, convert_write_errors, remove_partial_files, rename_folder, temporary_folder, write_text

RESULTS = Path("results")
PACKAGES = ("torch", "torchvision", "timm", "rasterio", "numpy", "scikit-learn", "umap-learn", "tensorboard")


def create_folder(name: str, config: Config, maps: dict[str, dict], results: Path = RESULTS) -> Path:
    """A new folder results/NAME, or NAME-2, NAME-3, ... where that exists, which appears with what describes the run.

    It holds config.json (resolved) and run.json: command line, versions, git revision, what the maps were.

    Raises:
        StorageError: nothing can be written there
    """
    with convert_write_errors(results / name), temporary_folder(results) as temporary:
        write_text(temporary / "config.json", config.to_json())
        write_text(temporary / "run.json", json.dumps(_about(maps), indent=1) + "\n")
        for number in count(1):
            folder = results / (name if number == 1 else f"{name}-{number}")
            if not folder.exists() and rename_folder(temporary, folder):
                return folder


def lock_folder(folder: Path) -> Lock:
    """The lock of a run's folder, which is held while the run is made; half-written files in it are removed.

    Raises:
        UserError: another process is making this run
    """
    lock = Lock.acquire(folder)
    if lock is None:
        raise UserError(f"{folder}: this run is being made by another process. Wait for it, or stop it first.")
    remove_partial_files(folder)
    return lock


def log_resume(folder: Path, config: Config, step: int) -> None:
    """Add to run.json that the run goes on from a step, and write the config, of which a few keys may have changed."""
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf8"))
    except (OSError, ValueError):  # removed or edited: the run does not need it
        about = {}
    resumed = {"at": _now(), "step": step, "command": sys.argv}
    about["resumed"] = [*about.get("resumed", []), resumed]
    write_text(folder / "run.json", json.dumps(about, indent=1) + "\n")
    write_text(folder / "config.json", config.to_json())


def _about(maps: dict[str, dict]) -> dict:
    return {
        "started": _now(),
        "command": sys.argv,
        "python": platform.python_version(),
        "machine": f"{platform.platform()}, {os.cpu_count()} cores",
        "packages": {package: _version(package) for package in PACKAGES},
        "git_revision": _git_revision(),
        "maps": maps,
    }


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


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
