"""A run starts at once

`python main.py --help` is timed as a whole, with the start of the interpreter. The time from a config to the first
batch is measured in a new process each time, without imports; an earlier run has prepared the maps and drawn the pools.
The config is read, maps and pools are opened, the sampler is created, and the first batch of 72 tiles is drawn and
read.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.maps import benchmark_maps
from benchmarks.measure import Row, Setting, Timing, at_most, in_turn
from benchmarks.runs import open_run, run_config

ROOT = Path(__file__).parents[1]


def measure(setting: Setting) -> list[Row]:
    """Measure the help, and the time to the first batch."""
    paths = benchmark_maps(setting.folder, setting.number(20_000, 2_000))
    keys = {"validation_nb": setting.number(5000, 100)}
    _, maps = open_run(setting, paths, **keys)
    assert maps.pools, "the pools exist, as after an earlier run"
    help_timing = in_turn({"help": lambda: run("main.py", "--help") and None}, setting.rounds)["help"]
    arguments = (str(setting.folder / "cache"), run_config(paths, **keys).to_json())
    batch_timing = Timing(tuple(float(run("-c", PRINT_FIRST_BATCH, *arguments)) for _ in range(setting.rounds)))
    heavy_packages = run("-c", PRINT_IMPORTS).splitlines()[-1]
    return [
        at_most("`python main.py --help`", help_timing.duration(), help_timing.median, 1.5, "s"),
        Row("heavy packages that it imports", heavy_packages or "none", "none", not heavy_packages),
        at_most("from config to first batch", batch_timing.duration(), batch_timing.median, 1, "s"),
    ]


def run(*arguments: str) -> str:
    """Return what a new Python process prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def seconds_to_first_batch(cache: str, config_text: str) -> float:
    """Measure the seconds from a config to the first batch."""
    from dataProcessors import maps as map_module
    from training.steps.step_table import make_step

    map_module.CACHE = Path(cache)
    started = time.perf_counter()
    import config as configuration

    config = configuration.validate(json.loads(config_text))
    maps = map_module.open_maps(config, config.threads)
    step = make_step(config, maps)
    batch = step.batches.task(1)()
    assert len(batch.tiles) == 3 * config.batch_size
    return time.perf_counter() - started


PRINT_FIRST_BATCH = (
    "import sys; from benchmarks.start import seconds_to_first_batch; print(seconds_to_first_batch(*sys.argv[1:]))"
)
PRINT_IMPORTS = (
    "import sys, main\n"
    "try: main.main(['--help'])\n"
    "except SystemExit: pass\n"
    "heavy = [name for name in ('torch', 'timm', 'rasterio', 'sklearn', 'scipy', 'umap', 'tensorboard') "
    "if name in sys.modules]\n"
    "print(' '.join(heavy))"
)
