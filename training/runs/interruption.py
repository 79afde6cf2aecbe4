"""SIGINT (Ctrl-C) and SIGTERM end a run: after the current training step, or at once outside of a step."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal ended the process. Not an Exception, so that `except Exception` does not catch it.

    Attributes:
        number: number of the signal
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class EndedElsewhere(BaseException):
    """Another process of the run has ended, and says why; this one ends silently.

    Attributes:
        code: exit code
    """

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


class Interruption:
    """Context manager that turns the first signal into `Interrupted`; a second Ctrl-C ends the process at once.

    Inside a `deferred` block the exception is raised at the end of the block.

    Attributes:
        received: number of the first signal, 0: none
        is_quiet: whether another process tells the user that the step is finished first
    """

    def __init__(self) -> None:
        self.received, self.is_quiet = 0, False
        self._deferred = 0  # number of nested `deferred` blocks
        self._pending_signal: int | None = None
        self._previous_handlers: dict[int, Any] = {}  # by number of the signal

    def __enter__(self) -> "Interruption":
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # ignored e.g. under nohup: leave it so
                self._previous_handlers[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def settle(self) -> None:
        """From now on, ignore SIGTERM, because the process is ending already, and let Ctrl-C end it at once."""
        if signal.SIGINT in self._previous_handlers:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if signal.SIGTERM in self._previous_handlers:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def request(self, number: int) -> None:
        """Send this process a signal, from any thread, unless it has received one already."""
        if not self.received and number in self._previous_handlers:
            os.kill(os.getpid(), number)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or number
        self.settle()
        if not self._deferred:
            raise Interrupted(number)
        self._pending_signal = number
        if not self.is_quiet:
            print("\nFinishing this step first. Press Ctrl-C again to stop at once.", file=sys.stderr, flush=True)

    @property
    def is_pending(self) -> bool:
        """Whether a signal has arrived that ends the run as soon as no `deferred` block delays it."""
        return self._pending_signal is not None

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Delay signals: if one arrives in the block, raise `Interrupted` when the outermost block ends."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
        if self._pending_signal is not None and not self._deferred:
            raise Interrupted(self._pending_signal)
