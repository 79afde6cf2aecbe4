"""A lock that shows other processes that a folder is in use."""

import os
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on every system; there, folders are never known to be in use
    fcntl = None  # type: ignore[assignment]  # a module, or None


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
