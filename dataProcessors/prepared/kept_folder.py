"""The folder of a preparation, which is kept where it is interrupted."""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataProcessors.prepared.preparation import INCOMPLETE
from dataProcessors.rasters.map_file import ConnectionLostError
from storage import Lock, remove_leftover_folders, temporary_folder

log = logging.getLogger(__name__)
WAIT = 0.2  # seconds between two looks at a folder that another process holds


@contextmanager
def kept_folder(folder: Path) -> Iterator[Path | None]:
    """Yield a locked folder FOLDER.incomplete, with what an earlier process left in it; None: FOLDER is there by now.

    It stays where the block ends by a signal or a lost connection, to go on later, and is removed where the block ends
    by another error. The block renames it when it is complete. On disks without locks it is a new folder each time.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftover_folders(folder.parent)  # of processes of earlier revisions, and of disks without locks
    unfinished = folder.with_name(folder.name + INCOMPLETE)
    lock = _wait_for(unfinished, folder)
    if lock is None:
        yield None
        return
    if not lock.exclusive:
        lock.release()
        unfinished.rmdir()
        with temporary_folder(folder.parent) as temporary:
            yield temporary
        return
    try:
        yield unfinished
    except ConnectionLostError as error:
        error.add_note("What was fetched is kept: the same command goes on from there.")
        raise
    except Exception:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    finally:
        lock.release()


def _wait_for(unfinished: Path, folder: Path) -> Lock | None:
    """Return the lock of a folder, which is made if it is not there; None: another process has completed it."""
    is_logged = False
    while not folder.exists():
        unfinished.mkdir(exist_ok=True)
        lock = Lock.acquire(unfinished)
        if lock is not None:
            if _is_of(lock, unfinished):
                return lock
            lock.release()
        elif not is_logged:
            log.info("%s: another process prepares this map. Waiting for it", folder)
            is_logged = True
        time.sleep(WAIT)
    return None


def _is_of(lock: Lock, folder: Path) -> bool:
    """Return whether a lock is of the folder of this name, and not of one that was renamed or removed meanwhile."""
    try:
        return lock.descriptor is None or os.path.samestat(os.fstat(lock.descriptor), os.stat(folder))
    except FileNotFoundError:
        return False
