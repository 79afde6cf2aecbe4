"""Memory does not grow with the map

The private memory of a process (anonymous pages: what is its own, without the pages of mapped files, which the system
takes back when it needs them) that has prepared the maps, drawn the pools, and drawn and read 50 batches of 72 tiles:
once for a map of 4,000 px and once for one of 20,000 px a side, 25 times as large. Both are prepared from nothing, in
processes of their own.

What the preparation has freed, the C library keeps in part for later use, sometimes 100 MB and sometimes 170, whatever
the map. The claim is of what is in use, after the library was told to give the rest back (malloc_trim); what the
process held before stands beside it.
"""

import ctypes
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.maps import benchmark_maps
from benchmarks.measure import Row, Setting, at_most, figure, private_memory
from benchmarks.runs import run_config

BATCHES = 50


def measure(setting: Setting) -> list[Row]:
    """Both sizes in turn."""
    sides = (setting.number(4_000, 2_000), setting.number(20_000, 4_000))
    measured: dict[int, list[list[int]]] = {side: [] for side in sides}
    for _ in range(setting.rounds):
        for side in sides:
            measured[side].append(in_process(setting, side))
    held, used = ([column(measured[side], index) for side in sides] for index in (0, 1))
    rows = [
        Row(f"map of {side:,} px a side, {kind}", megabytes(values))
        for kind, both in (("held", held), ("in use", used))
        for side, values in zip(sides, both)
    ]
    growth = statistics.median(used[1]) / statistics.median(used[0]) - 1
    return [*rows, at_most("growth of what is in use", f"{growth:.1%}", 100 * growth, 10, "%")]


def column(rounds: list[list[int]], index: int) -> list[int]:
    """One of the figures of each round."""
    return [figures[index] for figures in rounds]


def megabytes(values: list[int]) -> str:
    """The median, and the smallest and the largest."""
    low, middle, high = (figure(value / 1e6) for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} MB ({low} to {high})"


def in_process(setting: Setting, side: int) -> list[int]:
    """Bytes of private memory, held and in use, of a process that has done what a run does with its maps."""
    config = run_config(benchmark_maps(setting.folder, side), validation_nb=setting.number(5000, 100))
    cache = setting.folder / "memory"
    shutil.rmtree(cache, ignore_errors=True)
    command = [sys.executable, "-c", CODE, str(cache), config.to_json()]
    try:
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def use_maps(cache: str, config_text: str) -> list[int]:
    """Prepare, draw pools, read batches; gives the bytes of private memory then, held and in use."""
    import config as configuration
    from dataProcessors import maps as map_module
    from training.steps import STEPS

    map_module.CACHE = Path(cache)
    config = configuration.validate(json.loads(config_text))
    maps = map_module.open_maps(config, config.threads)
    pools = maps.pools(config)
    step = STEPS[config.loss, config.supervised](config, maps.sampler(config, pools), maps.read, pools)
    for number in range(BATCHES):
        step.batches.task(number)()
    held = private_memory()
    if hasattr(ctypes.CDLL(None), "malloc_trim"):  # of glibc
        ctypes.CDLL(None).malloc_trim(0)
    return [held, private_memory()]


CODE = "import sys; from benchmarks.memory import use_maps; print(use_maps(*sys.argv[1:]))"
