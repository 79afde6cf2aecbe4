"""Times training steps executed in several ways, so that what else runs on the machine does not decide which is faster.

Three things see to that. Trials use one thread, and are timed by the processor time of it: what another process takes
does not count. (Several threads wait for one another, and some operations of oneDNN, torch's library for CPUs, do so at
full load, bf16 above all: beside a busy process their processor time is up to four times as long.) The ways are timed
round by round, in turn and back again, and compared within a round, so that a slow moment is as slow for all. And what
scatters too much to be told apart is not decided at all.
"""

import copy
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from training.execution.device import Execution

MIN_GAIN = 1.1  # how many times faster a way must be than the plainer one that is used otherwise
WIDEST = 0.25  # spread of the gain's middle half; a wider one around MIN_GAIN leaves open whether it is reached
MIN_ROUNDS, MAX_ROUNDS = 5, 25
SECONDS, MAX_SECONDS = 8.0, 60.0  # of all trials: wanted, and those after which they are given up
MIN_TILES, MAX_TILES = 2, 8  # of a step; batch norm needs two
SHORTEST_TRIAL = 0.02  # seconds; where a step takes less, a trial has several

Trial = Callable[[], None]
Rounds = list[list[float]]  # of each round, the seconds of every way's trial


class Unclear(Exception):
    """It cannot be told which way is faster: why."""


def clock() -> float:
    """Seconds of the processor that this thread has used; on Windows, which counts those coarsely, of the day."""
    return time.perf_counter() if sys.platform == "win32" else time.thread_time()


def time_ways(ways: Sequence[Execution], network: nn.Module, tiles: np.ndarray) -> Rounds:
    """Time a training step (forward and backward, not compiled) in every way, on copies of the network.

    The network itself is left alone: a weight that was brought into another layout and back may lie in memory as it
    did not before, and the run would be another one.

    Args:
        ways: on a CPU
        network: on the CPU
        tiles: (N, C, H, W); so many of them are used that the trials take a few seconds
    Raises:
        Unclear: they take too long
    """
    copies = {way.channels_last: copy.deepcopy(network).train().to(memory_format=way.layout) for way in ways}
    with torch.random.fork_rng(devices=[]), _one_thread():  # dropout draws
        plain = ways[0], copies[ways[0].channels_last]
        number, repeats = size_of_trial(_trial(*plain, tiles[:MIN_TILES]), len(ways))
        return time_rounds([_trial(way, copies[way.channels_last], tiles[:number], repeats) for way in ways])


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _trial(way: Execution, network: nn.Module, tiles: np.ndarray, repeats: int = 1) -> Trial:
    batch = way.to_device(tiles)

    def trial() -> None:
        for _ in range(repeats):
            with way.autocast():
                embeddings = network(batch)
            embeddings.square().sum().backward()
            network.zero_grad(set_to_none=True)

    return trial


def size_of_trial(smallest: Trial, ways: int) -> tuple[int, int]:
    """How many tiles a step is to have, a power of 2, and how many steps a trial, so that all take a few seconds.

    Args:
        smallest: a step of MIN_TILES
        ways: how many are compared
    Raises:
        Unclear: even such steps take too long
    """
    smallest()  # to warm up
    started = clock()
    smallest()
    step = clock() - started
    if (rounds := step * ways * (MIN_ROUNDS + 1)) > MAX_SECONDS:
        raise Unclear(f"trials would take {rounds:.0f} s")
    number = MIN_TILES
    while number < MAX_TILES and 2 * rounds <= SECONDS:
        number, rounds, step = 2 * number, 2 * rounds, 2 * step
    return number, max(1, round(SHORTEST_TRIAL / max(step, 1e-6)))


def time_rounds(trials: Sequence[Trial]) -> Rounds:
    """Time the trials round by round, every other round in reverse, after one round to warm up.

    Raises:
        Unclear: MAX_SECONDS are over before MIN_ROUNDS are done
    """
    rounds: Rounds = []
    started = time.monotonic()
    for trial in trials:
        trial()
    while len(rounds) < MAX_ROUNDS:
        passed = time.monotonic() - started
        if len(rounds) >= MIN_ROUNDS and passed > SECONDS:
            break
        if passed > MAX_SECONDS:
            raise Unclear(f"{len(rounds)} rounds of trials took {passed:.0f} s, so busy is the machine")
        seconds = [0.0] * len(trials)
        for i in sorted(range(len(trials)), reverse=len(rounds) % 2 == 1):
            before = clock()
            trials[i]()
            seconds[i] = clock() - before
        rounds.append(seconds)
    return rounds


def fastest(rounds: Rounds) -> int:
    """Which way is to be used: the first, the plainest, unless a later one gains enough over the best of those before.

    Raises:
        Unclear: the trials do not say
    """
    best = 0
    for way in range(1, len(rounds[0])):
        if is_gain(gains(rounds, best, way)):
            best = way
    return best


def gains(rounds: Rounds, plain: int, way: int) -> list[float]:
    """How many times faster a way is than a plainer one, for each round."""
    return [seconds[plain] / max(seconds[way], 1e-9) for seconds in rounds]


def is_gain(gains: Sequence[float]) -> bool:
    """Whether a way gains MIN_GAIN over another in the median of the rounds, and gains at all in three of four.

    Raises:
        Unclear: the rounds differ so much that they leave it open
    """
    low, median, high = quartiles(gains)
    if low < MIN_GAIN <= high and high - low > WIDEST:
        raise Unclear(f"the trials scatter: the gain is {low:.2f} to {high:.2f} in the middle half of the rounds")
    return median >= MIN_GAIN and low > 1


def describe(names: Sequence[str], rounds: Rounds) -> str:
    """What was measured: seconds of the first way's step, and the gain of every other one, with its quartiles."""
    seconds = statistics.median(times[0] for times in rounds)
    told = [f"a trial of one thread takes {seconds:.3g} s in {names[0]}"]
    for way, name in enumerate(names[1:], 1):
        low, median, high = quartiles(gains(rounds, 0, way))
        told.append(f"{name} is {median:.2f} x as fast ({low:.2f} to {high:.2f})")
    return f"{', '.join(told)}, median of {len(rounds)} rounds"


def quartiles(gains: Sequence[float]) -> list[float]:
    """A quarter of the values lies below the first, half below the second, three quarters below the third."""
    return statistics.quantiles(gains, n=4, method="inclusive")
