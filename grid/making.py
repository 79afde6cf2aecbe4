"""Make a grid: what is missing is run, what was interrupted is resumed, then the tables are written."""

import logging
from pathlib import Path

from config import ConfigError, UserError, main_command
from grid.plan import Cell, Plan, read_plan
from grid.processes import memory_of_this_machine, processes_at_a_time, with_threads
from grid.progress import Progress
from grid.running import Cells, Ended
from grid.state import State, states
from grid.writing import write_tables
from storage import Lock, check_writable, convert_write_errors
from training.runs.interruption import Interrupted, Interruption

log = logging.getLogger(__name__)
# that are checked before a run starts
CHECKED_KEYS = ("network", "image_size", "pretrained", "freeze", "device", "maps", "validation_map")


def make_grid(path: Path, interruption: Interruption, dry_run: bool = False) -> int:
    """Make what is missing of a grid and write its tables. Return the exit code: 1 if a run has failed, else 0.

    Args:
        path: of GRID.json
        interruption: stops all runs
        dry_run: only say what would be done
    Raises:
        UserError: the grid or a config is wrong, a run was made with another config, or another process makes the grid
    """
    plan = read_plan(path)
    _report(plan)
    found = states(plan)
    missing = [cell for cell, state in found.items() if state != State.COMPLETE]
    if dry_run:
        print("\n".join(f"{cell.title}: {state} ({cell.folder})" for cell, state in found.items()))
        return 0
    failed = _make(plan, missing, interruption) if missing else []
    print(write_tables(plan))
    for run in failed:
        print(f"Failed with exit code {run.code}: {run.cell.title}; see the end of {run.cell.log}")
    return 1 if failed else 0


def _report(plan: Plan) -> None:
    """Say which combinations are left out, and what is valid but probably not intended."""
    maps: dict[tuple[str, str], list[str]] = {}
    for row, map_name, reason in plan.left_out:
        maps.setdefault((row, reason), []).append(map_name)
    for (row, reason), names in maps.items():
        print(f"Left out: {row} x {', '.join(names)}: {reason}")
    for warning in dict.fromkeys(f"{cell.row}: {text}" for cell in plan.cells for text in cell.config.warnings()):
        log.warning("%s", warning)


def _make(plan: Plan, missing: list[Cell], interruption: Interruption) -> list[Ended]:
    """Run the missing cells. Return those that failed."""
    from training.execution.device import resolve_device, usable_cores  # here, because torch takes seconds to import

    _check_before_start(plan, missing)
    uses_gpu = any(resolve_device(cell.config.device).type != "cpu" for cell in plan.cells)
    cores, memory = usable_cores(), memory_of_this_machine()
    processes = processes_at_a_time(plan, cores, memory, uses_gpu)
    print(f"{plan.folder}: {len(missing)} of {len(plan.cells)} runs to make, {processes} at a time", flush=True)
    lock, progress = _lock(plan), Progress(plan, len(missing))
    inherited = () if lock.descriptor is None else (lock.descriptor,)
    try:
        Cells(with_threads(missing, processes, cores), processes, progress, inherited).run(interruption)
    except Interrupted as interrupted:
        interrupted.add_note(f"To go on: {main_command('grid', plan.path)}")
        raise
    finally:
        lock.release()
    return progress.failed


def _check_before_start(plan: Plan, missing: list[Cell]) -> None:
    """Raise a UserError with all that can be found before any run starts, such as missing networks or maps."""
    from assembly import check_before_start

    check_writable(plan.folder)
    different = {repr([getattr(cell.config, key) for key in CHECKED_KEYS]): cell for cell in missing}
    problems: dict[str, str] = {}  # what is wrong -> the first row and map where it is
    for cell in different.values():
        try:
            check_before_start(cell.config, cell.config.pretrained)
        except UserError as error:
            for line in str(error).splitlines():
                problems.setdefault(line, f"{cell.row} x {cell.map_name}")
    if problems:
        raise ConfigError("\n".join(f"{plan.path}, {where}: {line}" for line, where in problems.items()))


def _lock(plan: Plan) -> Lock:
    """Return the lock of the grid's folder. The runs inherit it, so that it is held as long as one of them lives."""
    with convert_write_errors(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
    lock = Lock.acquire(plan.folder)
    if lock is None:
        raise UserError(f"{plan.folder}: another process is making this grid. Wait until it ends, or stop it first.")
    return lock
