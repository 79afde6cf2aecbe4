"""Ends a process when another one of the run has failed or is gone.

A process may wait for others in a call that neither a signal nor an exception reaches. So a thread of each process
tells the others, through the store, that it is there, and looks whether they are.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import torch.distributed as dist
from torch.distributed.distributed_c10d import Store

INTERVAL = 1.0  # seconds between two looks
STARTING = 300.0  # seconds in which a process must give its first sign
SILENT = 40.0  # seconds without a sign after which a process counts as lost; a busy one may be silent for some seconds
ENDED = "ended"  # key of the reason why the first of the processes ended that did not end well
LOST = 2  # exit code if a process is lost: the user can resume the run
LOST_ADVICE = (
    "It was killed, or its host is cut off. Earlier checkpoints, and the strips of a map that are embedded, are kept: "
    "resume the run from the last one, or embed the map again."
)


class End(NamedTuple):
    """Why a process ends.

    Attributes:
        rank: of the process
        host: its name
        code: its exit code
        signal: number of the signal that interrupted it, 0: none
        message: one line; "": nothing to say
    """

    rank: int
    host: str
    code: int
    signal: int
    message: str

    def encoded(self) -> str:
        """Return the text that `decoded` reads."""
        return "\t".join(map(str, self))

    @classmethod
    def decoded(cls, text: str) -> "End":
        """Return what `encoded` was called on."""
        rank, host, code, signal, message = text.split("\t", 4)
        return cls(int(rank), host, int(code), int(signal), message)


class Watch(threading.Thread):
    """The thread that watches the other processes.

    Args:
        store: of all processes; the thread uses it alone
        rank: of this process
        number: of processes
        host: name of this host
        reports: whether this process reports what happened on another host
        interrupt: called with the number of a signal that interrupted another process; it makes this one end too
    """

    def __init__(
        self, store: Store, rank: int, number: int, host: str, reports: bool, interrupt: Callable[[int], None]
    ):
        super().__init__(name="watch", daemon=True)
        self.store, self.rank, self.number, self.host, self.reports = store, rank, number, host, reports
        self.interrupt = interrupt
        self._lock, self._done, self._ending = threading.Lock(), threading.Event(), threading.Event()
        self._beats, self._heard = [b""] * number, [time.monotonic()] * number
        self._answers = 0  # of the store

    def run(self) -> None:
        """Give a sign of life and look for those of the others, until `stop`."""
        threading.Thread(target=self._watch_store, name="watch of the store", daemon=True).start()
        beat, end = 0, None
        while not self._done.wait(INTERVAL if beat else 0):
            beat += 1
            try:
                with self._lock:
                    self.store.set(_alive(self.rank), str(beat))
                    end = end or self._look()
                    silent = self._silent()
                self._answers += 1
            except dist.DistError as error:
                if self._ending.is_set():
                    return  # the first process knows, and has left with the store
                reason = str(error).partition("\n")[0]
                self._lose(f"The processes of this run cannot reach one another any more ({reason}).")
                return
            if end is not None and end.signal:
                self.interrupt(end.signal)  # it ends in its own time, after its step
            elif end is not None:
                self._leave(end)
            if silent:
                names = ", ".join(map(str, silent))
                self._lose(f"Of processes 0 to {self.number - 1}, no sign came from {names} for {SILENT:.0f} s.")

    def _watch_store(self) -> None:
        """End this process if the store does not answer: where its host is cut off, a call of it never returns.

        Counted are looks, not seconds: a thread that computes may have kept both threads of the watch from running.
        """
        answers, looks = -1, 0
        while not self._done.wait(INTERVAL):
            looks = looks + 1 if answers == self._answers else 0
            answers = self._answers
            if looks * INTERVAL > SILENT:
                what = f"No answer came from the host of the first process for {SILENT:.0f} s."
                self._leave(End(self.rank, self.host, LOST, 0, f"{what} {LOST_ADVICE}"))

    def _look(self) -> End | None:
        if not self.store.check([ENDED]):
            return None
        end = End.decoded(self.store.get(ENDED).decode())
        return None if end.rank == self.rank else end

    def _silent(self) -> list[int]:
        """Return the ranks of the processes that have given no sign for too long."""
        now = time.monotonic()
        names = [_alive(rank) for rank in range(self.number)]
        if not all(self._beats) and not self.store.check(names):  # some have not given their first sign
            names = [name for name in names if self.store.check([name])]
        beats = dict(zip(names, self.store.multi_get(names)))
        for rank, before in enumerate(self._beats):
            beat = beats.get(_alive(rank), before)
            if beat != before:
                self._beats[rank], self._heard[rank] = beat, now
        limits = [SILENT if beat else STARTING for beat in self._beats]
        late = [now - heard > limit for heard, limit in zip(self._heard, limits)]
        return [rank for rank in range(self.number) if late[rank] and rank != self.rank]

    def _lose(self, what: str) -> None:
        """End this process, because another one is lost; one of those that notice it says so."""
        self._leave(self.announce(End(self.rank, self.host, LOST, 0, f"{what} {LOST_ADVICE}")))

    def _leave(self, end: End) -> None:
        if self._done.is_set():
            return
        self.report(end)
        os._exit(end.code)  # not sys.exit: the main thread may be where no exception reaches it

    def report(self, end: End) -> None:
        """Print why a process ended, unless it is another one of this host, which prints it itself."""
        if end.message and (end.rank == self.rank or (self.reports and end.host != self.host)):
            print(end.message, file=sys.stderr, flush=True)

    def announce(self, end: End) -> End:
        """Say why this process ends. Return the reason of the first process that said so, which may be this one.

        From now on the others may leave before it.
        """
        self._ending.set()
        with self._lock:
            try:
                return End.decoded(self.store.compare_set(ENDED, "", end.encoded()).decode())
            except dist.DistError:
                return end

    def ended(self) -> End | None:
        """Return why another process has ended, None: none has, or it did not say so."""
        with self._lock:
            try:
                return self._look()
            except dist.DistError:
                return None

    def stop(self) -> None:
        """End the thread."""
        self._done.set()


def _alive(rank: int) -> str:
    return f"alive/{rank}"
