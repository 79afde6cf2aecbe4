"""How the benchmarks measure: several ways in turn, round after round, so that a noisy machine is as noisy for all."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Setting:
    """On what a benchmark is run.

    Attributes:
        folder: holds the benchmark's maps, made on first use, and everything else that is written
        tiny: a map and numbers so small that a run only shows that the script still works
        rounds: how often each way is measured
    """

    folder: Path
    tiny: bool = False
    rounds: int = 5

    def number(self, full: int, tiny: int) -> int:
        """A size: the one that is measured, or the one of a tiny run."""
        return tiny if self.tiny else full


class Row(NamedTuple):
    """One line of a benchmark's table.

    Attributes:
        what: what was measured
        measured: the figure with its unit, and its spread
        claim: what is claimed of it, "" where the figure only stands beside others
        holds: whether the claim holds; None where there is none
    """

    what: str
    measured: str
    claim: str = ""
    holds: bool | None = None


class Timing(NamedTuple):
    """Seconds per unit of one way, one value for each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds per unit."""
        return statistics.median(self.seconds)

    def rate(self, unit: str) -> str:
        """Units per second: the median, and the slowest and the fastest round."""
        slowest, fastest = 1 / max(self.seconds), 1 / min(self.seconds)
        return f"{figure(1 / self.median)} {unit}/s ({figure(slowest)} to {figure(fastest)})"

    def duration(self) -> str:
        """Seconds per unit: the median, and the fastest and the slowest round."""
        return f"{duration(self.median)} ({duration(min(self.seconds))} to {duration(max(self.seconds))})"

    def times(self, other: "Timing") -> "Ratio":
        """How many times faster than another way this one is, round by round."""
        return Ratio(tuple(b / a for a, b in zip(self.seconds, other.seconds)))


class Ratio(NamedTuple):
    """A ratio, one value for each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.values)

    def __str__(self):
        return f"{figure(self.median)} x ({figure(min(self.values))} to {figure(max(self.values))})"


def run(name: str, setting: Setting) -> tuple[str, list[Row]]:
    """What a benchmark says of itself, and its rows; called in a process of its own."""
    os.chdir(Path(__file__).parents[1])
    module = import_module(f"benchmarks.{name}")
    return module.__doc__, module.measure(setting)


def in_turn(
    ways: dict[str, Callable[[], int | None]],
    rounds: int,
    before: Callable[[], object] | None = None,
    warm: bool = True,
) -> dict[str, Timing]:
    """Measure several ways of doing the same, each once per round, in the same order every round.

    Args:
        ways: name -> what to time; gives how many units it did, None for one
        rounds: at least one
        before: called before each measurement, not timed
        warm: call each way once before, not timed
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    if warm:
        for way in ways.values():
            way()
    for _ in range(rounds):
        for name, way in ways.items():
            if before is not None:
                before()
            started = time.perf_counter()
            units = way()
            seconds[name].append((time.perf_counter() - started) / (1 if units is None else units))
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def at_least(what: str, measured: str, value: float, bound: float, unit: str) -> Row:
    """A row that claims a figure of at least so much; unit: "x" for a ratio."""
    return Row(what, measured, f"at least {figure(bound)} {unit}", value >= bound)


def at_most(what: str, measured: str, value: float, bound: float, unit: str) -> Row:
    """A row that claims a figure of at most so much."""
    return Row(what, measured, f"at most {figure(bound)} {unit}", value <= bound)


def faster(what: str, ratio: Ratio, bound: float) -> Row:
    """A row that claims that one way is at least so many times as fast as another."""
    return at_least(what, str(ratio), ratio.median, bound, "x")


def figure(value: float) -> str:
    """A number with three digits that count, thousands apart."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{round(value, 3 - 1 - int(np.floor(np.log10(abs(value))))):,.{digits}f}"


def duration(seconds: float) -> str:
    """Seconds with a unit in which they are easy to read."""
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{figure(seconds * scale)} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def drop_from_page_cache(paths: Sequence[Path]) -> None:
    """Make the system forget what it holds of files in memory, so that the next reading comes from the disk."""
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def private_memory() -> int:
    """Bytes of this process that are its own: anonymous memory, without the pages of mapped files."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
