"""Measure several ways in turn, round after round, so that noise of the machine affects all of them equally."""

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
    """Settings of a benchmark.

    Attributes:
        folder: for the benchmark's maps, written on first use, and all other files
        tiny: use a small map and small numbers, only to see that the script works
        rounds: how often each way is measured
    """

    folder: Path
    tiny: bool = False
    rounds: int = 5

    def number(self, full: int, tiny: int) -> int:
        """Return the first number, or the second one in a tiny run."""
        return tiny if self.tiny else full


class Row(NamedTuple):
    """One line of a benchmark's table.

    Attributes:
        what: what was measured
        measured: the number with its unit and its spread
        claim: about this number; "" if there is no claim
        holds: whether the claim holds; None if there is no claim
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
        """Median seconds per unit."""
        return statistics.median(self.seconds)

    def rate(self, unit: str) -> str:
        """Return units per second as text: the median, and the slowest and the fastest round."""
        slowest, fastest = 1 / max(self.seconds), 1 / min(self.seconds)
        return f"{format_number(1 / self.median)} {unit}/s ({format_number(slowest)} to {format_number(fastest)})"

    def duration(self) -> str:
        """Return seconds per unit as text: the median, and the fastest and the slowest round."""
        shortest, longest = format_duration(min(self.seconds)), format_duration(max(self.seconds))
        return f"{format_duration(self.median)} ({shortest} to {longest})"

    def times(self, other: "Timing") -> "Ratio":
        """Return how many times faster this way is than another one, round by round."""
        return Ratio(tuple(b / a for a, b in zip(self.seconds, other.seconds)))


class Ratio(NamedTuple):
    """A ratio, one value for each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.values)

    def __str__(self):
        return (
            f"{format_number(self.median)} x ({format_number(min(self.values))} to {format_number(max(self.values))})"
        )


def run(name: str, setting: Setting) -> tuple[str, list[Row]]:
    """Run a benchmark and return its docstring and its rows; called in a new process."""
    os.chdir(Path(__file__).parents[1])
    module = import_module(f"benchmarks.{name}")
    return module.__doc__, module.measure(setting)


def in_turn(
    ways: dict[str, Callable[[], int | None]],
    rounds: int,
    before: Callable[[], object] | None = None,
    warm: bool = True,
) -> dict[str, Timing]:
    """Measure several ways to do the same, each once per round, in the same order every round.

    Args:
        ways: name -> function to time; it returns how many units it did, None for one
        rounds: at least one
        before: called before each measurement, not timed
        warm: call each way once before the first round, not timed
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
    """Return a row that claims that a value is at least `bound`; unit: "x" for a ratio."""
    return Row(what, measured, f"at least {format_number(bound)} {unit}", value >= bound)


def at_most(what: str, measured: str, value: float, bound: float, unit: str) -> Row:
    """Return a row that claims that a value is at most `bound`."""
    return Row(what, measured, f"at most {format_number(bound)} {unit}", value <= bound)


def faster(what: str, ratio: Ratio, bound: float) -> Row:
    """Return a row that claims that one way is at least `bound` times as fast as another."""
    return at_least(what, str(ratio), ratio.median, bound, "x")


def format_number(value: float) -> str:
    """Return a number as text with three significant digits and commas between thousands."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{round(value, 3 - 1 - int(np.floor(np.log10(abs(value))))):,.{digits}f}"


def format_duration(seconds: float) -> str:
    """Return seconds as text in a unit that is easy to read."""
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{format_number(seconds * scale)} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def drop_from_page_cache(paths: Sequence[Path]) -> None:
    """Drop files from the system's page cache, so that they are read from the disk next time."""
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def private_memory() -> int:
    """Return the bytes of private memory of this process: anonymous pages, without those of mapped files."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
