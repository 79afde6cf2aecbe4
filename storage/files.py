"""Files that appear complete or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.disk import convert_write_errors

PART_PREFIX = ".part-"  # start of the names of files and folders that are not complete yet


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to `path` when the block succeeds and the file is on the disk.

    Raises:
        StorageError: the disk refuses the write; an earlier file at `path` is unchanged then
    """
    temporary = temporary_path(path)
    try:
        with convert_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
            sync(path.parent)
    finally:
        _remove(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it appears complete or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf8")


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a hard link to `source`, or a copy where the file system has no links.

    `source` may be replaced later, but must not be changed in place.
    """
    with atomic_write(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # the file system has no links
            shutil.copyfile(source, temporary)


def remove_partial_files(folder: Path) -> None:
    """Remove the half-written files of a folder that no other process writes to, but in folders of their own there.

    What is in a temporary folder goes with it, once no process holds its lock: see `remove_leftover_folders`.
    """
    for path in folder.rglob(f"{PART_PREFIX}*"):
        if not any(name.startswith(PART_PREFIX) for name in path.relative_to(folder).parts[:-1]):
            _remove(path)


def sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # folders cannot be opened on Windows
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some network folders cannot do this for folders
            raise
    finally:
        os.close(descriptor)


def temporary_path(path: Path) -> Path:
    """Return a path beside this one for what is not complete yet; every call returns another."""
    return path.with_name(f"{PART_PREFIX}{uuid.uuid4().hex[:8]}-{path.name}")


def _remove(path: Path) -> None:
    with suppress(OSError):  # the disk may refuse this too; a leftover does no harm
        path.unlink(missing_ok=True)
