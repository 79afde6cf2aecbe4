"""How many runs of a grid go at a time, and how many cores each has."""

import os
from dataclasses import replace

from config import Config
from grid.plan import Cell, Plan

MEMORY_OF_A_RUN = 2e9  # bytes, of a small network; more runs at a time than fit the memory would only swap


def with_threads(cells: list[Cell], processes: int, cores: int) -> list[Cell]:
    """Return the cells; those whose config does not say `threads` get their share of the cores."""
    share = {"threads": max(1, cores // processes)}
    return [
        replace(cell, config=cell.config.model_copy(update=share)) if cell.config.threads == "auto" else cell
        for cell in cells
    ]


def processes_at_a_time(plan: Plan, cores: int, memory: float, uses_gpu: bool) -> int:
    """Return the number of runs at a time.

    It depends on the grid and the machine only, not on what is still to do or on other programs: `threads` depends on
    it, so that a grid that was interrupted goes on as it began.

    Args:
        plan: the grid
        cores: of this machine
        memory: of this machine, bytes
        uses_gpu: whether any run uses a GPU; then there is one at a time
    """
    if plan.file.processes != "auto":
        return plan.file.processes
    if uses_gpu:
        return 1
    threads = max(_own_threads(cell.config) for cell in plan.cells)
    return max(1, min(cores // threads, int(min(memory, 1e15) / MEMORY_OF_A_RUN), len(plan.cells)))


def _own_threads(config: Config) -> int:
    return 1 if config.threads == "auto" else config.threads


def memory_of_this_machine() -> float:
    """Return the bytes of memory; infinity where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
