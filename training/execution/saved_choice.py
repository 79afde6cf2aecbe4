"""Save in which way a network is executed, so that equal configs are executed equally ever after."""

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from storage import Lock, check_writable, convert_write_errors, write_text

log = logging.getLogger(__name__)
LOCK_TIMEOUT = 120.0  # seconds to wait for another process that is measuring


class Choice(NamedTuple):
    """A saved choice.

    Attributes:
        way: name of the chosen way
        reason: summary of the measurement
        date: day of the measurement, YYYY-MM-DD
    """

    way: str
    reason: str
    date: str


class SavedChoice:
    """The file of one choice; its name is a hash of everything that the choice depends on.

    Args:
        folder: folder of all choices
        ways: names of the ways to choose from
        conditions: everything else that the choice depends on, as JSON values
    """

    def __init__(self, folder: Path, ways: list[str], conditions: dict):
        self.ways, self.conditions = ways, conditions | {"ways": ways}
        text = json.dumps(self.conditions, sort_keys=True)
        self.path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"

    def load(self) -> Choice | None:
        """Return the saved choice; None if there is none, with a warning if its file is damaged."""
        try:
            content = json.loads(self.path.read_text(encoding="utf8"))
            choice = Choice(**content["choice"])
            if choice.way not in self.ways or content["conditions"] != self.conditions:
                raise ValueError("it contains the choice for another machine or network")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is damaged: %s. The fastest way is measured again", self.path, error)
            return None
        return choice

    def save(self, way: str, reason: str) -> None:
        """Save a choice.

        Raises:
            StorageError: the file cannot be written
        """
        choice = Choice(way, reason, time.strftime("%Y-%m-%d"))
        content = {"choice": choice._asdict(), "conditions": self.conditions}
        write_text(self.path, json.dumps(content, indent=4) + "\n")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Let one process at a time measure: two would slow each other down, and might choose differently.

        Raises:
            StorageError: the folder cannot be written to
        """
        check_writable(self.path.parent)
        with convert_write_errors(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        lock, started = Lock.acquire(self.path.parent), time.monotonic()
        while lock is None and time.monotonic() - started < LOCK_TIMEOUT:
            time.sleep(0.1)
            lock = Lock.acquire(self.path.parent)
        try:
            yield
        finally:
            if lock is not None:
                lock.release()
