"""What the console says while a grid is made, and how long each of its runs takes."""

import csv
import time
from pathlib import Path

from grid.plan import Cell, Plan
from grid.running import Ended
from grid.state import is_scored
from storage import convert_write_errors

TIMES = "times.csv"  # file of a grid: cell, seconds and exit code of each process that worked on a run


class Progress:
    """Prints a line for each run that has ended, and adds its time to the grid's times.csv.

    Args:
        plan: the grid
        total: number of runs to make

    Attributes:
        failed: the runs that failed
    """

    def __init__(self, plan: Plan, total: int):
        self.plan, self.total = plan, total
        self.failed: list[Ended] = []
        self._done, self._began = 0, time.monotonic()

    def ended(self, run: Ended) -> None:
        """Report a run that has ended by itself."""
        self.stopped(run)
        is_complete = run.code == 0 and is_scored(run.cell)
        self.failed += [] if is_complete else [run]
        self._done += 1
        left = (time.monotonic() - self._began) / self._done * (self.total - self._done)
        outcome = "complete" if is_complete else f"failed, see {run.cell.log}"
        rest = f"; about {minutes_text(left)} min left" if self._done < self.total else ""
        print(
            f"[{self._done} of {self.total}] {run.cell.title}: {outcome} in {minutes_text(run.seconds)} min{rest}",
            flush=True,
        )

    def stopped(self, run: Ended) -> None:
        """Keep the time of a run that was stopped, which counts when it has been resumed."""
        path = self.plan.folder / TIMES
        with convert_write_errors(path), path.open("a", encoding="utf8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow([run.cell.folder.name, f"{run.seconds:.1f}", run.code])


def minutes_of(folder: Path, cell: Cell) -> float:
    """Return the minutes that all processes of a cell took together; NaN if that is unknown. folder: of the grid."""
    try:
        with (folder / TIMES).open(encoding="utf8", newline="") as file:
            seconds = [float(row[1]) for row in csv.reader(file) if row[:1] == [cell.folder.name]]
    except (OSError, ValueError, IndexError):
        seconds = []
    return sum(seconds) / 60 if seconds else float("nan")


def minutes_text(seconds: float) -> str:
    """Return seconds as minutes for people."""
    return f"{seconds / 60:.1f}"
