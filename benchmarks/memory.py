"""Memory does not grow with the map

The private memory of a process that has prepared the maps, drawn the pools, and drawn and read 50 batches of 72 tiles:
once for a map of 4,000 px a side and once for one of 20,000 px, 25 times as large. Private memory is that of anonymous
pages, without the pages of mapped files, which the system takes back when it needs them. Each map is prepared from the
start, in a new process.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.maps import benchmark_maps
from benchmarks.measure import Row, Setting, Timing, at_most, format_number, private_memory
from benchmarks.runs import run_config

BATCHES = 50


def measure(setting: Setting) -> list[Row]:
    """Measure both sizes in turn."""
    sides = (setting.number(4_000, 2_000), setting.number(20_000, 4_000))
    used: dict[int, list[int]] = {side: [] for side in sides}
    for _ in range(setting.rounds):
        for side in sides:
            used[side].append(memory_of_process(setting, side))
    small, large = (Timing(tuple(values)) for values in used.values())
    rows = [
        Row(f"map of {side:,} px a side", f"{format_number(timing.median / 1e6)} MB "
            f"({format_number(min(timing.seconds) / 1e6)} to {format_number(max(timing.seconds) / 1e6)})")
        for side, timing in zip(sides, (small, large))
    ]  # fmt: skip
    growth = large.median / small.median - 1
    return [*rows, at_most("growth", f"{growth:.1%}", 100 * growth, 10, "%")]


def memory_of_process(setting: Setting, side: int) -> int:
    """Return bytes of private memory of a new process that uses maps as a run does."""
    config = run_config(benchmark_maps(setting.folder, side), validation_nb=setting.number(5000, 100))
    cache = setting.folder / "memory"
    shutil.rmtree(cache, ignore_errors=True)
    command = [sys.executable, "-c", PRINT_MEMORY, str(cache), config.to_json()]
    try:
        return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def use_maps(cache: str, config_text: str) -> int:
    """Prepare maps, draw pools, read batches; return the bytes of private memory after that."""
    import config as configuration
    from dataProcessors import maps as map_module
    from training.steps.step_table import make_step

    map_module.CACHE = Path(cache)
    config = configuration.validate(json.loads(config_text))
    maps = map_module.open_maps(config, config.threads)
    step = make_step(config, maps)
    for number in range(BATCHES):
        step.batches.task(number)()
    return private_memory()


PRINT_MEMORY = "import sys; from benchmarks.memory import use_maps; print(use_maps(*sys.argv[1:]))"
