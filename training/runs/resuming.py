"""Start a new run, or open an interrupted run to resume it from the last checkpoint in its folder."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import config as configuration
from config import Config, UserError, main_command
from storage import Lock, StorageError
from training.execution.processes import ALONE, Processes
from training.runs.checkpoint import LAST, load
from training.runs.compatibility import check_config, check_maps, check_revision
from training.runs.faults import OutOfMemory, is_lost_process, is_out_of_memory
from training.runs.folder import RESULTS, create_folder, lock_folder, log_resume
from training.runs.interruption import Interrupted

log = logging.getLogger(__name__)
FIXED_PLACES = {  # "maps" of the config -> where its files are
    "demo": "the demo map is in data/demo, and is made there again if it is missing",
    "demo_seasons": "the demo map is in data/demo, and is made there again if it is missing",
    "germany": "its files have fixed places in data/, which doc/maps.md names; put them there, or links to them",
}
NO_LOCK = Lock(None, False)  # of all processes of a run but the first


@dataclass
class Run:
    """A run that this process executes; a context manager that holds the lock of the run's folder.

    Attributes:
        folder: results/NAME
        config: config of the run
        checkpoint: checkpoint to resume from; None: start at step 0
        is_new: False if an earlier process started the run, even if it wrote no checkpoint
        lock: keeps other processes from executing the same run
        processes: those that train it together; the first one holds the lock and writes the files
    """

    folder: Path
    config: Config
    checkpoint: dict | None
    is_new: bool
    lock: Lock
    processes: Processes = ALONE

    @property
    def step(self) -> int:
        """Number of steps in the checkpoint, -1: no checkpoint."""
        return self.checkpoint["step"] if self.checkpoint else -1

    @property
    def scored_step(self) -> int:
        """Last step in the checkpoint whose scores are reported, -1: none."""
        return self.checkpoint["scorer"]["scored_step"] if self.checkpoint else -1

    @property
    def is_complete(self) -> bool:
        """Whether all epochs are trained and evaluated. A signal may have come between the last step and that."""
        if self.checkpoint is None or self.step < self.config.epochs * self.config.iterations:
            return False
        is_due = self.config.is_evaluated_after(self.step) and self.scored_step < self.step
        return not (is_due or self.checkpoint["evaluating"])

    def describe_end(self) -> str:
        """Describe a complete run in one line: the epochs that are done and asked for, and how to train longer."""
        done, asked = self.step // self.config.iterations, self.config.epochs
        epochs = f"{done} epoch is" if done == 1 else f"{done} epochs are"
        longer = main_command("resume", self.folder, f"epochs={2 * done}")
        return (
            f"{self.folder} is complete: {epochs} done, {asked} {'was' if asked == 1 else 'were'} asked for. "
            f"To train longer: {longer}"
        )

    def begin(self, maps: dict[str, dict]) -> None:
        """Check the maps of a resumed run, then note in its folder that it goes on.

        Args:
            maps: name -> fingerprint of each map
        Raises:
            UserError: a map is not the one that the run was started with
        """
        if self.checkpoint:
            check_maps(self.folder, maps, self.checkpoint)
            log.info("%s: resumed after step %d", self.folder, self.step)
            _log_processes(self.folder, self.checkpoint.get("processes", 1), self.processes.number)
        if self.processes.is_first:
            log_resume(self.folder, self.config, max(self.step, 0), maps)

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock.release()
        if error is None:
            return
        can_go_on = isinstance(error, (Interrupted, StorageError, OutOfMemory))
        if can_go_on or is_out_of_memory(error) or is_lost_process(error):
            error.add_note(f"To resume: {main_command('resume', self.folder)}")


def start_run(config: Config, maps: dict[str, dict], processes: Processes = ALONE) -> Run:
    """Start a new run in a new folder.

    Args:
        config: config of the run
        maps: name -> fingerprint of each map
        processes: those that train it together
    """
    folder = Path(processes.broadcast(lambda: str(create_folder(config.run_name, config, maps))))
    lock = lock_folder(folder) if processes.is_first else NO_LOCK
    return Run(folder, config, None, True, lock, processes)


def open_run(folder: Path, overrides: list[str], processes: Processes = ALONE) -> Run:
    """Return the run in a folder, to resume it; the first process reads it, and the others get it from there.

    Args:
        folder: results/NAME
        overrides: key=value items, for keys that may change
        processes: those that train it together
    Raises:
        UserError: see `_open_locked`
    """
    if not processes.are_many:
        return _open_locked(folder, overrides)
    opened = [_open_locked(folder, overrides)] if processes.is_first else []
    config = config_of_first(lambda: opened[0].config, processes)
    checkpoint = processes.broadcast(lambda: opened[0].checkpoint)
    return Run(folder, config, checkpoint, False, opened[0].lock if opened else NO_LOCK, processes)


def config_of_first(load: Callable[[], Config], processes: Processes) -> Config:
    """Return the config that the first process loads, with the credentials of its maps: all of them read the maps."""
    loaded = [load()] if processes.is_first else []
    content = processes.broadcast(lambda: loaded[0].to_json(keep_credentials=True))
    return loaded[0] if loaded else configuration.validate(json.loads(content), "the config of the first process")


def _log_processes(folder: Path, before: int, now: int) -> None:
    """Log what differs if a run goes on in another number of processes than it was trained by."""
    if before != now:
        log.info(
            "%s: trained by %d %s so far, and by %d from now on. The tiles of each step stay the same. Sums round "
            "differently; on CPUs, batch norm takes its statistics from the tiles of a process; layers with dropout "
            "draw other numbers", folder, before, "process" if before == 1 else "processes", now,
        )  # fmt: skip


def _open_locked(folder: Path, overrides: list[str]) -> Run:
    """Return the run in a folder.

    Raises:
        UserError: there is no run, another process is executing it, its checkpoint is damaged, or the config
            contradicts the checkpoint
    """
    if not (folder / "config.json").is_file():
        runs = ", ".join(str(path.parent) for path in sorted(RESULTS.glob("*/config.json"))) or "none yet"
        raise UserError(f"{folder}: there is no run here to resume. Runs in {RESULTS}: {runs}.")
    lock = lock_folder(folder)
    try:
        run = _open(folder, overrides, lock)
    except BaseException:
        lock.release()
        raise
    return run


def _open(folder: Path, overrides: list[str], lock: Lock) -> Run:
    _check_places(folder, overrides)
    config = configuration.load(folder / "config.json", overrides)
    if not (folder / LAST).exists():
        log.info("%s: there is no checkpoint yet; the run starts again from step 0", folder)
        return Run(folder, config, None, False, lock)
    checkpoint = load(folder / LAST)
    check_revision(folder, checkpoint)
    check_config(folder, config, checkpoint)
    return Run(folder, config, checkpoint, False, lock)


def _check_places(folder: Path, overrides: list[str]) -> None:
    """Raise a UserError if an override gives a path to a map whose place is fixed."""
    maps = configuration.load(folder / "config.json").maps
    changed = [item.partition("=")[0] for item in overrides if item.startswith("maps.")]
    if isinstance(maps, str) and changed:
        raise UserError(
            f"{folder}: '{changed[0]}' cannot be set, because 'maps' is \"{maps}\": {FIXED_PLACES[maps]}. "
            "Only the paths of maps that the config names one by one can be changed."
        )
