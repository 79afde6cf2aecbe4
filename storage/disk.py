"""What a disk refuses is one clear line: which file, why, and how much space is free."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config import UserError


class StorageError(UserError):
    """A disk refused a write: which file, why, and how much space is free."""


@contextmanager
def convert_write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of the block (disk full, read-only, no permission) into a StorageError that names `path`."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from None


def storage_error(path: Path, error: Exception) -> StorageError:
    """Return the StorageError that describes an error met while writing a file or folder."""
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return StorageError(
        f"{path}: cannot be written: {reason}; {_free_space(path)} free there. "
        "Free some space, or use a folder that you may write to."
    )


def _free_space(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(nearest_existing(path)).free / 1e6:,.1f} MB are"
    except OSError:
        return "an unknown amount is"


def nearest_existing(path: Path) -> Path:
    """Return the path itself, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def check_space(path: Path, needed: int) -> None:
    """Raise a StorageError if less than `needed` bytes are free where a file is to be written."""
    try:
        free = shutil.disk_usage(nearest_existing(path.parent)).free
    except OSError:  # unknown: the write itself will tell
        return
    if needed > free:
        raise StorageError(
            f"{path}: writing it needs up to {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free there. "
            "Free some space, or use another folder."
        )
