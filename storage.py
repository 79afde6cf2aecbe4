"""Files and folders that appear whole or not at all, and one clear line where a disk refuses them."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config import UserError

try:
    import fcntl
except ImportError:  # not on every system; there, folders are never known to be in use
    fcntl = None

PART = ".part-"  # begins the names of what is being made


class StorageError(UserError):
    """A disk refused to keep something: which file, why, how much room is left."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a disk refuses within the block (it is full, read-only, not ours to write) into a StorageError."""
    try:
        yield
    except OSError as error:
        raise refused(path, error) from None


def refused(path: Path, error: Exception) -> StorageError:
    """What to tell of an error met in writing a file or folder."""
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return StorageError(
        f"{path}: cannot be written: {reason}; {_free(path)} free there. Free some space, or run where you may write."
    )


def _free(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(_existing(path)).free / 1e6:,.1f} MB are"
    except OSError:
        return "it is unknown how much is"


def _existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def check_writable(folder: Path) -> None:
    """Raise a StorageError if nothing can be written into a folder, or the folder cannot be made; leaves no trace."""
    nearest = _existing(folder)
    if not nearest.is_dir():
        raise refused(folder, NotADirectoryError(0, f"{nearest} is no folder"))
    probe = _part(nearest / "probe")
    with writing(folder):
        probe.touch()
        probe.unlink()


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path to write a file to; when the block ends well and all is on the disk, it becomes `path`.

    Raises:
        StorageError: the disk refuses it; then whatever lay at `path` is still there
    """
    temporary = _part(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
            sync(path.parent)
    finally:
        _remove(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it appears whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf8")


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, which may be replaced but never changed; a copy where need be."""
    with atomic_write(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # a file system without links
            shutil.copyfile(source, temporary)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder to make something in, locked as long as the block runs and removed after it.

    What killed processes left of theirs is removed first: the lock tells it from what others are working on.
    """
    parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(parent)
    folder, lock = _locked_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _locked_folder(parent: Path) -> "tuple[Path, Lock]":
    while True:
        folder = _part(parent / "folder")
        folder.mkdir()
        lock = Lock.acquire(folder)
        if lock is not None and folder.exists():  # else it was taken for a leftover before it was locked
            return folder, lock


def rename_folder(folder: Path, target: Path) -> bool:
    """Give a whole folder its name; False, and nothing done, where another has it already."""
    for path in folder.rglob("*"):
        sync(path)
    try:
        os.rename(folder, target)
    except OSError:
        if target.exists():
            return False
        raise
    sync(target.parent)
    return True


def discard_folder(folder: Path) -> None:
    """Remove a folder so that it is gone at once, or not at all; nothing happens where another process removed it.

    Raises:
        StorageError: the disk refuses it
    """
    aside = _part(folder)
    with writing(folder), suppress(FileNotFoundError):
        os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove folders that processes were killed while making; see `temporary_folder`."""
    for leftover in filter(Path.is_dir, folder.glob(f"{PART}*")):
        lock = None
        with suppress(PermissionError):  # it is somebody else's
            lock = Lock.acquire(leftover)
        if lock is not None:
            if lock.certain:
                shutil.rmtree(leftover, ignore_errors=True)
            lock.release()


def remove_partial_files(folder: Path) -> None:
    """Remove half-written files of a folder that no other process writes to."""
    for path in folder.rglob(f"{PART}*"):
        _remove(path)


class Lock:
    """Says to other processes that a folder is in use, until it is released or the process ends, however it ends.

    Attributes:
        certain: False where the system or the file system has no locks, so that others may hold it too
    """

    def __init__(self, descriptor: int | None, certain: bool):
        self._descriptor, self.certain = descriptor, certain

    @classmethod
    def acquire(cls, folder: Path) -> "Lock | None":
        """The lock of a folder; None if another process holds it, or has just removed the folder."""
        if fcntl is None:
            return cls(None, False)
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            return cls(descriptor, False)
        return cls(descriptor, True)

    def release(self) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, lie on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # folders cannot be opened there
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some shared folders cannot do that for names
            raise
    finally:
        os.close(descriptor)


def _part(path: Path) -> Path:
    return path.with_name(f"{PART}{uuid.uuid4().hex[:8]}-{path.name}")


def _remove(path: Path) -> None:
    with suppress(OSError):  # a disk may refuse even that; what is left hurts nobody
        path.unlink(missing_ok=True)
