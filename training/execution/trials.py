"""Time training steps that are executed in several ways; other programs on the machine must not change the result.

- Trials use one thread, and measure its processor time: time that another process takes does not count. (Several
  threads wait for one another, and in some operations of oneDNN, torch's library for CPUs, they wait at full load, in
  bf16 above all: beside a busy process their processor time is up to four times as long.)
- The ways are timed in rounds, in alternating order, and compared within a round: a slow moment is slow for all.
- If the timings scatter too much, no way is chosen.
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

MIN_GAIN = 1.1  # times faster than the plainer way that would be used otherwise
MAX_SPREAD = 0.25  # interquartile range of the gain; if a wider one contains MIN_GAIN, the gain is unclear
MIN_ROUNDS, MAX_ROUNDS = 5, 25
TARGET_SECONDS, MAX_SECONDS = 8.0, 60.0  # of all trials: the aim, and the limit after which they are stopped
MIN_TILES, MAX_TILES = 2, 8  # of a step; batch norm needs two
MIN_TRIAL_SECONDS = 0.02  # a trial repeats a step that takes less

Trial = Callable[[], None]
Rounds = list[list[float]]  # for each round, the seconds of the trial of every way


class UnclearTimings(Exception):
    """The timings do not show which way is faster; the message says why."""


def clock() -> float:
    """Return the processor time of this thread in seconds; on Windows, where that is coarse, the wall-clock time."""
    return time.perf_counter() if sys.platform == "win32" else time.thread_time()


def time_ways(ways: Sequence[Execution], network: nn.Module, tiles: np.ndarray) -> Rounds:
    """Time a training step (forward and backward, not compiled) in every way, on copies of the network.

    The network itself stays unchanged: a weight that was converted to another layout and back may have other strides
    in memory than before, and the run would give other numbers.

    Args:
        ways: on a CPU
        network: on the CPU
        tiles: (N, C, H, W), used as far as the trials take a few seconds
    Raises:
        UnclearTimings: the trials take too long
    """
    copies = {way.channels_last: copy.deepcopy(network).train().to(memory_format=way.layout) for way in ways}
    with torch.random.fork_rng(devices=[]), _one_thread():  # dropout draws
        plain = ways[0], copies[ways[0].channels_last]
        number, repeats = choose_trial_size(_trial(*plain, tiles[:MIN_TILES]), len(ways))
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


def choose_trial_size(smallest: Trial, ways: int) -> tuple[int, int]:
    """Return the tiles of a step, a power of 2, and the steps of a trial, so that all trials take a few seconds.

    Args:
        smallest: a step with MIN_TILES tiles
        ways: number of ways to compare
    Raises:
        UnclearTimings: even such steps take too long
    """
    smallest()  # to warm up
    started = clock()
    smallest()
    step = clock() - started
    if (rounds := step * ways * (MIN_ROUNDS + 1)) > MAX_SECONDS:
        raise UnclearTimings(f"trials would take {rounds:.0f} s")
    number = MIN_TILES
    while number < MAX_TILES and 2 * rounds <= TARGET_SECONDS:
        number, rounds, step = 2 * number, 2 * rounds, 2 * step
    return number, max(1, round(MIN_TRIAL_SECONDS / max(step, 1e-6)))


def time_rounds(trials: Sequence[Trial]) -> Rounds:
    """Time the trials round by round, every other round in reverse, after one round to warm up.

    Raises:
        UnclearTimings: MAX_SECONDS pass before MIN_ROUNDS are done
    """
    rounds: Rounds = []
    started = time.monotonic()
    for trial in trials:
        trial()
    while len(rounds) < MAX_ROUNDS:
        passed = time.monotonic() - started
        if len(rounds) >= MIN_ROUNDS and passed > TARGET_SECONDS:
            break
        if passed > MAX_SECONDS:
            raise UnclearTimings(f"{len(rounds)} rounds of trials took {passed:.0f} s: the machine is too busy")
        seconds = [0.0] * len(trials)
        for i in sorted(range(len(trials)), reverse=len(rounds) % 2 == 1):
            before = clock()
            trials[i]()
            seconds[i] = clock() - before
        rounds.append(seconds)
    return rounds


def fastest_way(rounds: Rounds) -> int:
    """Return the index of the way to use: the first, plainest one, or a later one that gains enough over it.

    Raises:
        UnclearTimings: the timings scatter too much
    """
    best = 0
    for way in range(1, len(rounds[0])):
        if is_enough_gain(gains(rounds, best, way)):
            best = way
    return best


def gains(rounds: Rounds, plain: int, way: int) -> list[float]:
    """Return how many times faster a way is than a plainer one, for each round."""
    return [seconds[plain] / max(seconds[way], 1e-9) for seconds in rounds]


def is_enough_gain(gains: Sequence[float]) -> bool:
    """Whether the median gain reaches MIN_GAIN, and three quarters of the rounds show any gain.

    Raises:
        UnclearTimings: the gains of the rounds differ too much to decide
    """
    low, median, high = quartiles(gains)
    if low < MIN_GAIN <= high and high - low > MAX_SPREAD:
        middle = f"{low:.2f} to {high:.2f} in the middle half of the rounds"
        raise UnclearTimings(f"the trials scatter: the gain is {middle}")
    return median >= MIN_GAIN and low > 1


def describe(names: Sequence[str], rounds: Rounds) -> str:
    """Return the seconds of the first way and the gain of every other way, with its quartiles, as text."""
    seconds = statistics.median(times[0] for times in rounds)
    parts = [f"a trial of one thread takes {seconds:.3g} s in {names[0]}"]
    for way, name in enumerate(names[1:], 1):
        low, median, high = quartiles(gains(rounds, 0, way))
        parts.append(f"{name} is {median:.2f} x as fast ({low:.2f} to {high:.2f})")
    return f"{', '.join(parts)}, median of {len(rounds)} rounds"


def quartiles(gains: Sequence[float]) -> list[float]:
    """Return the first, second (median) and third quartile."""
    return statistics.quantiles(gains, n=4, method="inclusive")
