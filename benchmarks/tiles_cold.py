"""Random tiles from the disk: 5 x as fast as windows of the GeoTIFF

The same tiles as above, 96 x 96 pixels from all over the map in batches of 72, but from files that are not in the
system's page cache, as if the map were larger than the memory. Before each measurement the prepared file and the
GeoTIFF are dropped from the page cache and opened again (which is not timed), and both ways read the same 576 tiles, so
that only little of the map is read a second time. The prepared map is read by `TiffReader.read`, the GeoTIFF window by
window through one open handle, with GDAL's cache of decoded blocks limited to 64 MB, a twentieth of the map.
The disk of a virtual machine may be fast, because its host may have in memory what the machine has dropped.
"""

import gc
import os
from pathlib import Path

import numpy as np
import rasterio

from benchmarks.maps import SIDE, benchmark_maps
from benchmarks.measure import Row, Setting, at_least, drop_from_page_cache, faster, in_turn
from benchmarks.tiles import check, read_batches, read_from_handle
from benchmarks.with_torchgeo import BATCH, limit_gdal_cache, random_positions
from dataProcessors.tiffreader import TiffReader

RATE = 1_500  # tiles per second, claimed
OURS, HANDLE = "prepared map", "GeoTIFF, one open handle"
MAX_LEFT = 0.05  # share of a dropped file that may still be in the page cache


def measure(setting: Setting) -> list[Row]:
    """Measure the prepared map against windows, both from the disk."""
    side = setting.number(SIDE, 2000)
    limit_gdal_cache()
    files = ColdFiles(benchmark_maps(setting.folder, side).image, setting.folder / "cache")
    rng = np.random.default_rng(0)
    check(files.path, files.reader, random_positions(rng, side, BATCH)[0])
    files.check_dropping()
    draws = {name: np.random.default_rng(1) for name in (OURS, HANDLE)}  # the same tiles for both, others each round
    tiles = setting.number(8, 2) * BATCH
    ways = {
        OURS: lambda: read_batches(files.reader, random_positions(draws[OURS], side, tiles)),
        HANDLE: lambda: sum(map(len, read_from_handle(files.handle, random_positions(draws[HANDLE], side, tiles)))),
    }
    timings = in_turn(ways, setting.rounds, before=files.forget, warm=False)
    ours, theirs = timings[OURS], timings[HANDLE]
    rate = ours.rate("tiles")
    return [
        Row(OURS, rate) if setting.tiny else at_least(OURS, rate, 1 / ours.median, RATE, "tiles/s"),
        Row(HANDLE, theirs.rate("tiles")),
        faster(f"{OURS} against {HANDLE}", ours.times(theirs), 5),
    ]


class ColdFiles:
    """The GeoTIFF and its prepared map, both open; after `forget` neither is in the page cache."""

    def __init__(self, path: Path, cache: Path):
        self.path, self.cache = path, cache
        self._open()
        self.blocks = cache / self.reader.key / "blocks.npy"

    def _open(self) -> None:
        self.reader, self.handle = TiffReader(self.path, cache=self.cache, threads=2), rasterio.open(self.path)

    def _drop(self) -> None:
        self.handle.close()
        self.reader = None
        gc.collect()  # mapped pages are not dropped
        drop_from_page_cache([self.path, self.blocks])

    def forget(self) -> None:
        """Drop both files from the page cache and open them again."""
        self._drop()
        self._open()

    def check_dropping(self) -> None:
        """Fail if the file stays in memory, because of the system or of another process that has it mapped."""
        self._drop()
        assert (left := share_in_memory(self.blocks)) <= MAX_LEFT, f"{left:.0%} of {self.blocks} is still in memory"
        self._open()


def share_in_memory(path: Path, places: int = 100) -> float:
    """Estimate the share of a file that is in the page cache, at random places."""
    with open(path, "rb") as file:
        starts = np.random.default_rng(0).integers(0, os.fstat(file.fileno()).st_size - 1, places)
        return sum(_is_in_memory(file.fileno(), start) for start in starts.tolist()) / places


def _is_in_memory(file: int, start: int) -> bool:
    try:
        return os.preadv(file, [bytearray(1)], start, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False
