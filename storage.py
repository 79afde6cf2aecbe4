"""Files and folders that appear complete or not at all, and a one-line error where the disk refuses to write."""

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
    fcntl = None  # type: ignore[assignment]  # a module, or None

PART_PREFIX = ".part-"  # start of the names of files and folders that are not complete yet


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
        return f"{shutil.disk_usage(_nearest_existing(path)).free / 1e6:,.1f} MB are"
    except OSError:
        return "an unknown amount is"


def _nearest_existing(path: Path) -> Path:
    """Return the path itself, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def check_writable(folder: Path) -> None:
    """Raise a StorageError if the folder cannot be created or written to. Leave nothing behind."""
    nearest = _nearest_existing(folder)
    if not nearest.is_dir():
        raise storage_error(folder, NotADirectoryError(0, f"{nearest} is not a folder"))
    probe = _temporary_path(nearest / "probe")  # a folder: where a process is killed here, the next one removes it
    with convert_write_errors(folder), suppress(FileNotFoundError):
        probe.mkdir()
        probe.rmdir()


def check_space(path: Path, needed: int) -> None:
    """Raise a StorageError if less than `needed` bytes are free where a file is to be written."""
    try:
        free = shutil.disk_usage(_nearest_existing(path.parent)).free
    except OSError:  # unknown: the write itself will tell
        return
    if needed > free:
        raise StorageError(
            f"{path}: writing it needs up to {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free there. "
            "Free some space, or use another folder."
        )


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to `path` when the block succeeds and the file is on the disk.

    Raises:
        StorageError: the disk refuses the write; an earlier file at `path` is unchanged then
    """
    temporary = _temporary_path(path)
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


def _locked_folder(parent: Path) -> "tuple[Path, Lock]":
    while True:
        folder = _temporary_path(parent / "folder")
        folder.mkdir()
        lock = Lock.acquire(folder)
        if lock is not None and folder.exists():  # else another process removed it as a leftover before it was locked
            return folder, lock


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
    aside = _temporary_path(folder)
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


def remove_partial_files(folder: Path) -> None:
    """Remove the half-written files of a folder that no other process writes to."""
    for path in folder.rglob(f"{PART_PREFIX}*"):
        _remove(path)


class Lock:
    """Shows other processes that a folder is in use, until it is released or this process ends for whatever reason.

    Attributes:
        descriptor: file descriptor that holds it, None without locks; a process that inherits it holds the lock too
        exclusive: False where others may hold it too: it is shared, or there are no locks on this system or disk
    """

    def __init__(self, descriptor: int | None, exclusive: bool):
        self.descriptor, self.exclusive = descriptor, exclusive

    @classmethod
    def acquire(cls, folder: Path) -> "Lock | None":
        """Return the lock of a folder; None if another process holds it, or has just removed the folder."""
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

    @classmethod
    def share(cls, folder: Path) -> "Lock":
        """Return a lock that any number of processes hold at once, but not beside an exclusive one; wait for that.

        Raises:
            FileNotFoundError: there is no such folder
        """
        if fcntl is None:
            return cls(None, False)
        descriptor = os.open(folder, os.O_RDONLY)
        with suppress(OSError):  # no locks there
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        return cls(descriptor, False)

    def release(self) -> None:
        """Release the lock."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


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


def _temporary_path(path: Path) -> Path:
    return path.with_name(f"{PART_PREFIX}{uuid.uuid4().hex[:8]}-{path.name}")


def _remove(path: Path) -> None:
    with suppress(OSError):  # the disk may refuse this too; a leftover does no harm
        path.unlink(missing_ok=True)
