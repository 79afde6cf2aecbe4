"""Where evaluations and figures are computed while a GPU trains."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from threadpoolctl import threadpool_limits

from evaluation.process import EvaluationProcess

CANCEL_SECONDS = 1.0  # in which the thread ends, once its process has ended


class Background:
    """A thread that draws figures, and waits for a process that evaluates.

    Args:
        cores: number of CPU cores that each may use
    """

    def __init__(self, cores: int):
        # limits of the libraries' threads hold for the thread that sets them
        self._thread = ThreadPoolExecutor(1, "evaluation", threadpool_limits, (cores,))
        self._process = EvaluationProcess(cores)
        self.call = self._process.call

    def submit(self, function: Callable, *arguments: Any) -> Future:
        """Call a function in the thread, after those that were submitted before."""
        return self._thread.submit(function, *arguments)

    def finish(self) -> None:
        """End the thread when its work is done, and then the process."""
        self._thread.shutdown()
        self._process.stop()

    def cancel(self, pending: list[Future]) -> None:
        """End the process at once, and drop what is pending.

        A computation of the thread itself cannot be stopped, but is not waited for.
        """
        self._process.stop()
        self._thread.shutdown(wait=False, cancel_futures=True)
        if not wait(pending, CANCEL_SECONDS).not_done:
            self._thread.shutdown()
