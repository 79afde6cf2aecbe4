"""What the program prints to the console: log messages and errors, all of them without credentials."""

import logging
import sys
import threading
import traceback
from types import TracebackType

from config.redaction import RedactingFormatter, redacted


class OnceAboutMaps(logging.Filter):
    """Passes what is found in a map once: a verb may open it several times. Warnings pass, such as of each retry."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a message is new, a warning, or not of the package that reads maps."""
        if record.levelno > logging.INFO or not record.name.startswith("dataProcessors"):
            return True
        text = record.getMessage()
        is_new = text not in self._said
        self._said.add(text)
        return is_new


def prepare_console() -> None:
    """Log plain messages to the console, and print errors that nobody expected; the console may be kept in a file."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(message)s"))
    handler.addFilter(OnceAboutMaps())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    sys.excepthook, threading.excepthook = _print_traceback, _print_thread_error


def print_error(error: BaseException, message: str | None = None) -> None:
    """Print a message, or else that of the error, and the error's notes."""
    lines = [str(error) if message is None else message, *getattr(error, "__notes__", [])]
    print(redacted("\n".join(lines)), file=sys.stderr)


def _print_traceback(
    kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> None:
    print(redacted("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _print_thread_error(error: threading.ExceptHookArgs) -> None:
    """Print the error that ended a thread, unless it is a disk error.

    A full disk ends the thread that writes TensorBoard's files. The main thread gets the same error when it adds the
    next event, and reports it.
    """
    if not isinstance(error.exc_value, OSError | SystemExit):
        print(f"Exception in thread {error.thread.name if error.thread else 'that has ended'}:", file=sys.stderr)
        _print_traceback(error.exc_type, error.exc_value, error.exc_traceback)
