"""Without a prepared map: windows of the GeoTIFF, 1.5 x as fast as torchgeo, and 10 x from a ZSTD copy

`"cache": false` reads windows of the GeoTIFF itself, for maps that no disk has room to decode: `TiffReader.read`
without a cache, batches of 72 random tiles of 96 x 96 pixels, as many threads as there are cores. torchgeo reads the
same file with RasterDataset, RandomPatchSampler and a DataLoader (batches of 72, stack_samples), once without workers
and once with two that were started before; the claims are against the faster. Both read 20,000 x 20,000 pixels of 3
uint8 bands from the page cache. GDAL keeps 64 MB of decoded blocks in each process, two of torchgeo's and one of ours:
a twentieth of the map, as above. On a map that fits into GDAL's default cache both are faster.

Most of the time is spent on decoding blocks of which a tile needs only a small part. The second claim is about a copy
of the map in ZSTD and blocks of 128 x 128 pixels, which `gdal_translate` can write and which is as large, against
torchgeo on the original deflate file; what torchgeo gains from the same copy is shown too.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.maps import SIDE, benchmark_maps
from benchmarks.measure import Row, Setting, faster, in_turn
from benchmarks.tiles import read_batches
from benchmarks.with_torchgeo import (
    BATCH,
    check_image,
    fastest,
    image_epochs,
    limit_gdal_cache,
    random_positions,
)
from dataProcessors.tiffreader import TiffReader
from training.execution.device import usable_cores

DEFLATE, ZSTD = "deflate in blocks of 512", "ZSTD in blocks of 128"


def measure(setting: Setting) -> list[Row]:
    """Measure windows against torchgeo, for both files."""
    side, tiles = setting.number(SIDE, 2000), setting.number(20, 2) * BATCH
    paths = {
        DEFLATE: benchmark_maps(setting.folder, side).image,
        ZSTD: benchmark_maps(setting.folder, side, "zstd").image,
    }
    ours = {f"windows, {kind}": window_epoch(path, side, tiles) for kind, path in paths.items()}
    theirs = {kind: _add_to_names(kind, image_epochs(path, tiles)) for kind, path in paths.items()}
    timings = in_turn(ours | theirs[DEFLATE] | theirs[ZSTD], setting.rounds)
    usual = fastest({name: timings[name] for name in theirs[DEFLATE]})
    same = fastest({name: timings[name] for name in theirs[ZSTD]})
    deflate, zstd = (timings[name] for name in ours)
    return [
        *(Row(name, timing.rate("tiles")) for name, timing in timings.items()),
        faster(f"windows against the faster torchgeo, both {DEFLATE}", deflate.times(usual), 1.5),
        faster(f"windows, {ZSTD}, against the faster torchgeo, {DEFLATE}", zstd.times(usual), 10),
        Row(f"windows against the faster torchgeo, both {ZSTD}", str(zstd.times(same))),
    ]


def window_epoch(path: Path, side: int, tiles: int) -> Callable[[], int]:
    """Return a function that reads random tiles of a GeoTIFF without a prepared map."""
    reader = TiffReader(path, cache=None, threads=usable_cores())
    rng = np.random.default_rng(0)
    check_image(path, reader, random_positions(rng, side, BATCH)[0])

    def epoch() -> int:
        limit_gdal_cache()
        return read_batches(reader, random_positions(rng, side, tiles))

    return epoch


def _add_to_names(kind: str, ways: dict[str, Callable[[], int]]) -> dict[str, Callable[[], int]]:
    return {f"{name}, {kind}": way for name, way in ways.items()}
