"""Run the cells of a grid, each by a call of main.py in a process of its own, several at a time."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from config import Config
from grid.plan import Cell
from storage import convert_write_errors, write_text
from training.runs.interruption import Interruption

MAIN = Path(__file__).resolve().parents[1] / "main.py"
POLL_SECONDS = 0.1


class Process(Protocol):
    """What is used of a subprocess.Popen."""

    def poll(self) -> int | None:
        """Return the exit code; None if the process is running."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def wait(self) -> int:
        """Wait for the end; return the exit code."""


class Ended(NamedTuple):
    """A run that has ended: its exit code, and the seconds from start to end."""

    cell: Cell
    code: int
    seconds: float


class Listener(Protocol):
    """Is told which runs have ended."""

    def ended(self, run: Ended) -> None:
        """A run has ended by itself."""

    def stopped(self, run: Ended) -> None:
        """A run has ended because it was stopped."""


class Running(NamedTuple):
    """A run that is going, and the time.monotonic() of its start."""

    cell: Cell
    process: Process
    started: float

    def ended(self, code: int) -> Ended:
        """Return the run with its exit code, now that it has ended."""
        return Ended(self.cell, code, time.monotonic() - self.started)


class Cells:
    """Runs cells, at most `processes` at a time.

    While no run on a map has got as far as its folder, only one run on this map is going: it makes the map if it is the
    demo map, prepares it and measures which number format is fastest, and all others find that done.

    Args:
        cells: to run, in this order
        processes: runs at a time
        listener: is told which runs have ended
        inherited: file descriptors that the processes inherit
    """

    def __init__(self, cells: list[Cell], processes: int, listener: Listener, inherited: tuple[int, ...] = ()):
        self.waiting, self.running, self.processes = list(cells), list[Running](), processes
        self.listener, self.inherited = listener, inherited
        self._prepared = set[str]()  # maps of which a run has got as far as its folder

    def run(self, interruption: Interruption) -> None:
        """Run all cells.

        Raises:
            Interrupted: a signal arrived; the runs were stopped, and have written their checkpoints
        """
        try:
            while self.waiting or self.running:
                with interruption.deferred():  # a process that was started is one that is stopped
                    self._collect()
                    self._start()
                time.sleep(POLL_SECONDS)
        finally:
            self._stop()

    def _start(self) -> None:
        """Start as many runs as may run now."""
        self._prepared |= {map_of(run.cell.config) for run in self.running if run.cell.folder.exists()}
        while len(self.running) < self.processes:
            preparing = {map_of(run.cell.config) for run in self.running} - self._prepared
            cell = next((cell for cell in self.waiting if map_of(cell.config) not in preparing), None)
            if cell is None:
                return
            self.waiting.remove(cell)
            self.running.append(Running(cell, launch(cell, self.inherited), time.monotonic()))

    def _collect(self) -> None:
        for run in list(self.running):
            code = run.process.poll()
            if code is not None:
                self.running.remove(run)
                self.listener.ended(run.ended(code))

    def _stop(self) -> None:
        """Stop what is still running, and wait until it has written its checkpoints."""
        for run in self.running:
            run.process.terminate()
        for run in self.running:
            self.listener.stopped(run.ended(run.process.wait()))
        self.running.clear()


def map_of(config: Config) -> str:
    """Return which image map a run uses."""
    return config.maps if isinstance(config.maps, str) else str(config.maps.image)


def launch(cell: Cell, inherited: tuple[int, ...] = ()) -> Process:
    """Start the run of a cell, or resume it if its folder exists; its console goes to the cell's log.

    What the files of the run leave out, URLs with credentials, it gets through a pipe, which nobody else can read.

    Args:
        cell: the cell
        inherited: file descriptors that the process inherits
    Raises:
        StorageError: the log or the config cannot be written
    """
    if cell.folder.exists():
        arguments = ["resume", str(cell.folder)]
    else:
        write_text(cell.config_file, cell.config.to_json())
        arguments = ["train", str(cell.config_file)]
    if keys := cell.config.with_credentials():
        arguments += ["--keys", "/dev/stdin"]
    with convert_write_errors(cell.log), cell.log.open("a", encoding="utf8") as log:
        process = subprocess.Popen(
            [sys.executable, str(MAIN), *arguments],
            stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, pass_fds=inherited,
        )  # fmt: skip
    assert process.stdin is not None  # it is a pipe
    with suppress(BrokenPipeError), process.stdin as pipe:  # one that has ended says why in its log
        pipe.write(json.dumps(keys).encode())
    return process
