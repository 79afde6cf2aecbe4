"""A class-balanced pool is found in seconds, rare classes included

10,000 labelled tiles of 96 px of the training area, with every class as often as the others, or with all tiles of a
class that has fewer; the rarest class covers a ten-thousandth of the map. The first time the pool is drawn and its
labels are read from the prepared label map, the second time it is read from the cache. Without block counts one would
have to draw tiles at random until enough of them have the rare class. The last row estimates how many tiles that would
be, from the share of this label among tiles drawn at random.
"""

import shutil

import numpy as np

from benchmarks.maps import BenchmarkMaps, benchmark_maps
from benchmarks.measure import Row, Setting, at_most, format_number, in_turn
from benchmarks.runs import open_run
from dataProcessors import maps as map_module
from dataProcessors.legends.legend import dominant
from dataProcessors.run_pools import open_pool

TILES = 10_000


def measure(setting: Setting) -> list[Row]:
    """Measure the fit pool of a run with validation_nb 5,000."""
    paths: BenchmarkMaps = benchmark_maps(setting.folder, setting.number(20_000, 2_500))
    config, maps = open_run(setting, paths, validation_nb=setting.number(TILES // 2, 100))
    pools = map_module.CACHE / "pools"
    wanted = 2 * config.validation_nb
    drawn = {}

    def draw() -> None:
        drawn["pool"] = open_pool("fit", wanted, config, maps.images, maps.labels, maps.area, map_module.CACHE)

    first = in_turn({"first": draw}, setting.rounds, before=lambda: shutil.rmtree(pools, ignore_errors=True))["first"]
    second = in_turn({"second": draw}, setting.rounds)["second"]
    pool = drawn["pool"]
    class_counts = np.bincount(pool.labels, minlength=len(maps.labels.legend))
    most, least = int(class_counts.max()), int(class_counts.min())
    share = maps.labels.summary.counts[-1].sum() / maps.labels.summary.counts.sum()
    return [
        Row("share of the map that the rarest class covers", f"{share:.4%}"),
        at_most(f"{len(pool):,} tiles drawn the first time", first.duration(), first.median, 60, "s"),
        at_most("the second time", second.duration(), second.median, 1, "s"),
        Row(
            "tiles of the most frequent and of the rarest class in the pool",
            f"{most:,} and {least:,}",
        ),
        Row("tiles to be drawn at random for as many of the rarest", random_tiles_needed(maps, least)),
    ]


def random_tiles_needed(maps, wanted: int) -> str:
    """Estimate how many tiles must be drawn at random to find `wanted` tiles of the rarest class."""
    drawn = maps.area.draw(20_000, np.random.default_rng(0))
    labels = dominant(maps.labels.proportions(drawn, maps.area.size))
    found = int((labels == len(maps.labels.legend) - 1).sum())
    return f"about {format_number(wanted * len(drawn) / found)}" if found else f"more than {wanted * len(drawn):,}"
