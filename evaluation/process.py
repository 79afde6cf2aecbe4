"""A process that evaluates while this one trains.

Threads of one process take turns in running Python: beside a thread that fitted forests, a training step took 1.46
times as long as alone, beside a process 1.06 times.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from joblib.externals.loky.backend import get_context
from threadpoolctl import threadpool_limits

from config import UserError

PARENT_SECONDS, WATCHER = 0.5, "parent watcher"  # how often a process looks whether its parent is there, and who does
NICENESS = 10  # of 19; where cores are scarce, training goes on and the evaluation takes what is left

Result = TypeVar("Result")
Call = Callable[..., Any]  # function, its arguments -> its result


def call_here(function: Callable[..., Result], *arguments: Any) -> Result:
    """Return what a function returns, in this process."""
    return function(*arguments)


class EvaluationProcess:
    """Calls functions of modules in a process of its own, which starts with the first call.

    Args:
        cores: number of CPU cores that the functions may use
    """

    def __init__(self, cores: int):
        self._cores = cores
        # this context starts it without a second run of the main script
        self._executor = ProcessPoolExecutor(1, get_context("loky"))
        self._number: Future[int] | None = None

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return what a function returns there, or raise what it raises.

        Raises:
            UserError: the process was ended from outside
        """
        try:
            if self._number is None:
                self._number = self._executor.submit(begin, os.getpid(), self._cores)
            return self._executor.submit(function, *arguments).result()
        except BrokenProcessPool:
            raise UserError(
                "The process that evaluates has ended, perhaps because the memory was full: check the system's log. "
                "To continue, resume the run; a smaller 'validation_nb' needs less memory."
            ) from None

    def stop(self) -> None:
        """End the process at once, busy or not. A call that waits for it raises an error."""
        number, children = self._pid(), {child.pid for child in multiprocessing.active_children()}
        if number is not None and number in children:  # one that has ended may have left its number to another
            os.kill(number, signal.SIGKILL)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _pid(self) -> int | None:
        """Return the number of the process; None: it has not been started, or has not begun to work."""
        if self._number is None or self._number.cancelled() or self._number.exception() is not None:
            return None
        return self._number.result()


def begin(parent: int, cores: int) -> int:
    """Begin to work for a parent that must not wait for a core: see `follow`. Return the number of this process."""
    follow(parent)
    threadpool_limits(cores)
    if hasattr(os, "nice"):  # not on Windows
        os.nice(NICENESS)
    return os.getpid()


def follow(parent: int) -> None:
    """Leave signals to the parent, and do not outlive it, which may be killed while it waits for results.

    parent: number of the process that this one works for
    """
    if not any(thread.name == WATCHER for thread in threading.enumerate()):
        for number in (signal.SIGINT, signal.SIGTERM):  # terminals and schedulers send them to both
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=end_with, args=(parent,), name=WATCHER, daemon=True).start()


def end_with(parent: int) -> None:
    """End this process soon after its parent."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
