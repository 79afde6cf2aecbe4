"""The run's folder, results/NAME, with files that describe the run."""

import json
import os
import platform
import subprocess
import sys
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path

from config import Config, UserError
from config.redaction import redacted_content
from storage import Lock, convert_write_errors, remove_partial_files, rename_folder, temporary_folder, write_text

RESULTS = Path("results")
PACKAGES = ("torch", "torchvision", "timm", "rasterio", "numpy", "scikit-learn", "umap-learn", "tensorboard")


def create_folder(name: str, config: Config, maps: dict[str, dict], results: Path = RESULTS) -> Path:
    """Create and return a new folder results/NAME, or NAME-2, NAME-3, ... if that exists; NAME may be FOLDER/NAME.

    From the start it holds config.json (resolved) and run.json: command line, versions, git revision, maps.

    Raises:
        StorageError: the folder cannot be written
    """
    first = results / name
    with convert_write_errors(first), temporary_folder(first.parent) as temporary:
        write_text(temporary / "config.json", config.to_json())
        write_text(temporary / "run.json", json.dumps(_describe_run(maps), indent=1) + "\n")
        for number in count(1):
            folder = first if number == 1 else first.with_name(f"{first.name}-{number}")
            if not folder.exists() and rename_folder(temporary, folder):
                return folder
    raise AssertionError("the numbers do not end")


def lock_folder(folder: Path) -> Lock:
    """Return the lock of a run's folder, to hold while the run executes. Remove partly written files in the folder.

    Raises:
        UserError: another process is executing this run
    """
    lock = Lock.acquire(folder)
    if lock is None:
        raise UserError(f"{folder}: another process is executing this run. Wait until it ends, or stop it first.")
    remove_partial_files(folder)
    return lock


def log_resume(folder: Path, config: Config, step: int, maps: dict[str, dict]) -> None:
    """Log in run.json that the run resumes after a step, and write the config: some of its keys may have changed.

    maps: name -> fingerprint of each map, which may have been moved
    """
    try:
        description = json.loads((folder / "run.json").read_text(encoding="utf8"))
    except (OSError, ValueError):  # removed or edited: the run does not need it
        description = {}
    resumed = {"at": _now(), "step": step, "command": redacted_content(sys.argv)}
    description["resumed"] = [*description.get("resumed", []), resumed]
    description["maps"] = maps
    write_text(folder / "run.json", json.dumps(description, indent=1) + "\n")
    write_text(folder / "config.json", config.to_json())


def _describe_run(maps: dict[str, dict]) -> dict:
    """Return the content of run.json."""
    return {
        "started": _now(),
        "command": redacted_content(sys.argv),
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


@cache
def _git_revision() -> str | None:
    """Return the git revision of this program, with -dirty if files are changed; None outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
