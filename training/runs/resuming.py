"""Where a run stands: a new one, or one that goes on from the last checkpoint in its folder."""

import logging
from dataclasses import dataclass
from pathlib import Path

import config as configuration
from config import Config, UserError
from storage import Lock, StorageError
from training.runs.checkpoint import LAST, check_config, load
from training.runs.faults import OutOfMemory, is_out_of_memory
from training.runs.folder import RESULTS, create_folder, lock_folder, log_resume
from training.runs.interruption import Interrupted

log = logging.getLogger(__name__)


@dataclass
class Run:
    """A run while it is made; a context manager, at whose end other processes may go on with it.

    Attributes:
        folder: results/NAME
        config: resolved
        checkpoint: where it goes on from; None: it begins
        is_new: False where an earlier process has begun it, even without coming to a checkpoint
    """

    folder: Path
    config: Config
    checkpoint: dict | None
    is_new: bool
    lock: Lock

    @property
    def step(self) -> int:
        """Steps trained before, -1 if the run begins."""
        return self.checkpoint["step"] if self.checkpoint else -1

    @property
    def scored_step(self) -> int:
        """The last step of which scores are shown, -1 if there is none."""
        return self.checkpoint["scorer"]["scored_step"] if self.checkpoint else -1

    @property
    def is_complete(self) -> bool:
        """Whether all epochs are trained, evaluated and shown."""
        last_step = self.config.epochs * self.config.iterations
        return self.step >= last_step and self.checkpoint["evaluating"] is None

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.lock.release()
        if isinstance(error, (Interrupted, StorageError, OutOfMemory)) or is_out_of_memory(error):
            note = f"Go on with: python main.py resume {self.folder}"
            if note not in getattr(error, "__notes__", []):  # a run that was opened is left twice
                error.add_note(note)


def start_run(config: Config, maps: dict[str, dict]) -> Run:
    """A new run, in a new folder. maps: their fingerprints."""
    folder = create_folder(config.run_name, config, maps)
    return Run(folder, config, None, True, lock_folder(folder))


def open_run(folder: Path, overrides: list[str]) -> Run:
    """The run in a folder, to go on with.

    Args:
        folder: results/NAME
        overrides: key=value, of keys that may change
    Raises:
        UserError: there is no run, another process is making it, its checkpoint is damaged, or the config
            contradicts it
    """
    if not (folder / "config.json").is_file():
        there = ", ".join(str(path.parent) for path in sorted(RESULTS.glob("*/config.json"))) or "none yet"
        raise UserError(f"{folder}: there is no run here to go on with. Runs in {RESULTS}: {there}.")
    lock = lock_folder(folder)
    try:
        run = _open(folder, overrides, lock)
    except BaseException:
        lock.release()
        raise
    return run


def _open(folder: Path, overrides: list[str], lock: Lock) -> Run:
    config = configuration.load(folder / "config.json", overrides)
    if not (folder / LAST).exists():
        log.info("%s: no checkpoint was written yet; the run begins again", folder)
        return Run(folder, config, None, False, lock)
    checkpoint = load(folder / LAST)
    check_config(folder, config, checkpoint)
    run = Run(folder, config, checkpoint, False, lock)
    if not run.is_complete:
        log_resume(folder, config, run.step)
        log.info("%s goes on after step %d", folder, run.step)
    return run
