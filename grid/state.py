"""What is there of a grid's runs, and whether it is what the grid asks for."""

from enum import StrEnum

import config as configuration
from config import ConfigError, UserError
from grid.plan import Cell, Plan
from reporting.comparison.runs import NoScoresError, read_run, settings_of


class State(StrEnum):
    """What there is of a run."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted: will be resumed"
    MISSING = "missing: will be run"


def states(plan: Plan) -> dict[Cell, State]:
    """Return the state of each cell.

    Raises:
        UserError: a run was made with another config, or its files are damaged; all of them in one message
    """
    if (plan.folder / "config.json").exists():
        raise UserError(f"{plan.folder} is the folder of a run. Give the grid another 'name' in {plan.path}.")
    found, problems = {}, []
    for cell in plan.cells:
        try:
            _check_config(cell, plan)
            found[cell] = state_of(cell)
        except UserError as error:
            problems += str(error).splitlines()
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def state_of(cell: Cell) -> State:
    """Return the state of a cell. Complete is a run with the scores of its last step and with its report."""
    if not cell.folder.exists():
        return State.MISSING
    return State.COMPLETE if is_scored(cell) and (cell.folder / "report.html").exists() else State.INTERRUPTED


def is_scored(cell: Cell) -> bool:
    """Return whether the run has the scores of its last step."""
    try:
        run = read_run(cell.folder)
    except NoScoresError:
        return False
    return run.step == run.total_steps


def _check_config(cell: Cell, plan: Plan) -> None:
    """Raise a UserError if the cell's run was made with another config; keys without effect on results do not count."""
    path = cell.folder / "config.json"
    if not cell.folder.exists():
        return
    there, asked = settings_of(configuration.load(path)), settings_of(cell.config)
    differing = [key for key in there | asked if there.get(key) != asked.get(key)]
    if differing:
        keys = ", ".join(f"'{key}' is {asked.get(key)!r} and was {there.get(key)!r}" for key in differing)
        raise UserError(
            f"{cell.folder}: {cell.title} was made with another config: {keys}. Move the folder away so that the run "
            f"is made anew, or give the grid another 'name' in {plan.path}."
        )
