"""What a step uses, such as a batch, is made by another thread while the steps before it run.

What is made depends on what is known when its task is taken, never on when a thread runs it: reading ahead changes
nothing. (Clusters that are chosen by their losses know the losses of the steps up to READ_AHEAD + 1 before, on a GPU of
one step less.)
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

READ_AHEAD = 2  # batches
SWITCH_SECONDS = 2e-4  # interval at which Python switches between threads

Made = TypeVar("Made")


def read_ahead(tasks: Iterator[Callable[[], Made]], ahead: int = READ_AHEAD) -> Iterator[Made]:
    """Yield what tasks make, such as batches, in order, made by a separate thread up to `ahead` before their use.

    A task is taken from the iterator at the same point of the training in every run, so it may depend on its state.
    """
    # with Python's default of 5 ms the step would wait for the reading thread as long as a GPU takes for the step
    sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
    with ThreadPoolExecutor(1, "batches") as worker:
        pending = deque(worker.submit(task) for task in islice(tasks, ahead))
        try:
            while pending:
                batch = pending.popleft().result()
                pending.extend(worker.submit(task) for task in islice(tasks, 1))
                yield batch
        finally:
            worker.shutdown(cancel_futures=True)
