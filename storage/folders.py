"""Folders that appear, and disappear, at once, and files that appear together."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.disk import StorageError, convert_write_errors, nearest_existing, storage_error
from storage.files import PART_PREFIX, sync, temporary_path
from storage.lock import Lock


def check_writable(folder: Path) -> None:
    """Raise a StorageError if the folder cannot be created or written to. Leave nothing behind."""
    nearest = nearest_existing(folder)
    if not nearest.is_dir():
        raise storage_error(folder, NotADirectoryError(0, f"{nearest} is not a folder"))
    probe = temporary_path(nearest / "probe")  # a folder: where a process is killed here, the next one removes it
    with convert_write_errors(folder), suppress(FileNotFoundError):
        probe.mkdir()
        probe.rmdir()


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Yield a new temporary folder, locked while the block runs and removed after it.

    Folders that killed processes left behind are removed first. They are recognised by their free lock.
    """
    parent.mkdir(parents=True, exist_ok=True)
    remove_leftover_folders(parent)
    folder, lock = _locked_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _locked_folder(parent: Path) -> tuple[Path, Lock]:
    while True:
        folder = temporary_path(parent / "folder")
        folder.mkdir()
        lock = Lock.acquire(folder)
        if lock is not None and folder.exists():  # else another process removed it as a leftover before it was locked
            return folder, lock


@contextmanager
def staged(path: Path, first: Path | None = None) -> Iterator[Path]:
    """Yield a folder to write a file and those beside it to; they get their places when the block succeeds.

    `path` is the last of them. A killed process may leave others there, but not without the first one; what it has
    half-written is removed by the next call for a file in the same folder.

    Args:
        path: where the file belongs
        first: which of the others gets its place first
    Raises:
        StorageError: the disk refuses a write
    """
    with convert_write_errors(path), temporary_folder(path.parent) as folder:
        try:
            yield folder
        except StorageError as error:  # of a file in the folder: name its place
            raise StorageError(str(error).replace(str(folder), str(path.parent))) from None
        files = sorted(
            folder.iterdir(), key=lambda each: (each.name == path.name, first is None or each.name != first.name)
        )
        for file in files:
            sync(file)
        for file in files:
            os.replace(file, path.parent / file.name)
        sync(path.parent)


def rename_folder(folder: Path, target: Path) -> bool:
    """Rename a complete folder to `target`. Return False, and change nothing, where `target` exists already."""
    for path in (*folder.rglob("*"), folder):  # the names in the folder itself last
        sync(path)
    try:
        os.rename(folder, target)
    except OSError:
        if target.exists():
            return False
        raise
    sync(target.parent)
    return True


def remove_folder(folder: Path) -> None:
    """Rename a folder, then delete it, so that it disappears at once. Do nothing if another process removed it first.

    Raises:
        StorageError: the disk refuses it
    """
    aside = temporary_path(folder)
    with convert_write_errors(folder), suppress(FileNotFoundError):
        os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def remove_leftover_folders(folder: Path) -> None:
    """Remove the temporary folders of processes that were killed; see `temporary_folder`."""
    for leftover in filter(Path.is_dir, folder.glob(f"{PART_PREFIX}*")):
        lock = None
        with suppress(PermissionError):  # it belongs to another user
            lock = Lock.acquire(leftover)
        if lock is not None:
            if lock.exclusive:
                shutil.rmtree(leftover, ignore_errors=True)
            lock.release()
