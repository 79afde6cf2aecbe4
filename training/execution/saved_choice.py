"""Keeps which way of executing a network was chosen: once chosen, equal configs are executed in equal ways."""

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
PATIENCE = 120.0  # seconds that a process waits for another one that is choosing


class Choice(NamedTuple):
    """A way that was chosen, by its name.

    Attributes:
        way: one of the names that were to choose from
        reason: what the trials said
        date: when it was chosen
    """

    way: str
    reason: str
    date: str


class SavedChoice:
    """The file of a choice: its name changes with everything that the choice depends on.

    Args:
        folder: of all choices
        ways: names of those to choose from
        conditions: what else the choice depends on, as JSON has it
    """

    def __init__(self, folder: Path, ways: list[str], conditions: dict):
        self.ways, self.conditions = ways, conditions | {"ways": ways}
        text = json.dumps(self.conditions, sort_keys=True)
        self.path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"

    def load(self) -> Choice | None:
        """The choice that was made before; None, and a warning if there is a file, where it is not known."""
        try:
            content = json.loads(self.path.read_text(encoding="utf8"))
            choice = Choice(**content["choice"])
            if choice.way not in self.ways or content["conditions"] != self.conditions:
                raise ValueError("it holds the choice of another machine or network")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is damaged: %s. The choice is made again", self.path, error)
            return None
        return choice

    def save(self, way: str, reason: str) -> None:
        """Keep a choice.

        Raises:
            StorageError: the disk refuses it
        """
        choice = Choice(way, reason, time.strftime("%Y-%m-%d"))
        content = {"choice": choice._asdict(), "conditions": self.conditions}
        write_text(self.path, json.dumps(content, indent=4) + "\n")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A block in which no other process chooses: side by side they would slow, and might contradict, each other.

        Raises:
            StorageError: nothing can be kept in the folder
        """
        check_writable(self.path.parent)
        with convert_write_errors(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        lock, started = Lock.acquire(self.path.parent), time.monotonic()
        while lock is None and time.monotonic() - started < PATIENCE:
            time.sleep(0.1)
            lock = Lock.acquire(self.path.parent)
        try:
            yield
        finally:
            if lock is not None:
                lock.release()
