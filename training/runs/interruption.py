"""SIGINT (Ctrl-C) and SIGTERM: a run ends between two steps, or at once where none is being made."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The process was asked to end. No Exception, so that nothing takes it for a failure and goes on.

    Attributes:
        number: of the signal
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class Interruption:
    """Turns the first signal into `Interrupted`; a second Ctrl-C ends the process as it would without this.

    A context manager; inside of `deferred` blocks the exception waits for the end of the block.
    """

    def __init__(self):
        self._deferred, self._noted = 0, None  # blocks around what is being done
        self._before = {}

    def __enter__(self) -> "Interruption":
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame) -> None:
        if signal.SIGINT in self._before:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if signal.SIGTERM in self._before:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it may come twice, and the first is being obeyed
        if not self._deferred:
            raise Interrupted(number)
        self._noted = number
        print("\nThis step is finished first. Ctrl-C once more: stop at once.", file=sys.stderr, flush=True)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """A block that is not broken off: a signal is noted, and the exception raised when the outermost block ends."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
        if self._noted is not None and not self._deferred:
            raise Interrupted(self._noted)
