"""A run starts at once

`python main.py --help` is timed as a whole, the interpreter included. The way from a config to the first batch is timed
in a fresh process each, without imports, with the maps prepared and the pools drawn by an earlier run: the config is
read, maps and pools are opened, the sampler is made, and the first batch of 72 tiles is drawn and read.
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
    """Help, and first batch."""
    paths = benchmark_maps(setting.folder, setting.number(20_000, 2_000))
    keys = {"validation_nb": setting.number(5000, 100)}
    _, maps = open_run(setting, paths, **keys)
    assert maps.pools, "made, as if there had been an earlier run"
    helped = in_turn({"help": lambda: run("main.py", "--help") and None}, setting.rounds)["help"]
    arguments = (str(setting.folder / "cache"), run_config(paths, **keys).to_json())
    started = Timing(tuple(float(run("-c", CODE, *arguments)) for _ in range(setting.rounds)))
    heavy = run("-c", IMPORTED).splitlines()[-1]
    return [
        at_most("`python main.py --help`", helped.duration(), helped.median, 1.5, "s"),
        Row("heavy packages that it imports", heavy or "none", "none", not heavy),
        at_most("from config to first batch", started.duration(), started.median, 1, "s"),
    ]


def run(*arguments: str) -> str:
    """What a fresh Python process prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def first_batch(cache: str, config_text: str) -> float:
    """Seconds from a config to the first batch."""
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


CODE = "import sys; from benchmarks.start import first_batch; print(first_batch(*sys.argv[1:]))"
IMPORTED = (
    "import sys, main\n"
    "try: main.main(['--help'])\n"
    "except SystemExit: pass\n"
    "heavy = [name for name in ('torch', 'timm', 'rasterio', 'sklearn', 'scipy', 'umap', 'tensorboard') "
    "if name in sys.modules]\n"
    "print(' '.join(heavy))"
)
