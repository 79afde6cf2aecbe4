"""Random tiles: 150 x as fast as opening the GeoTIFF for each, 100 x torchgeo where GDAL caches little of the map

Tiles of 96 x 96 pixels from all over the map, 72 in a batch, the image only; both files are in the system's page cache
after a first pass. The map has 20,000 x 20,000 pixels of 3 uint8 bands, deflate in blocks of 512 x 512.
`TiffReader.read` copies the tiles of a batch from the prepared map, in one thread; how long preparing takes, once, is
measured below.

The others read the GeoTIFF. *rasterio.open per tile* opens it, reads a window, and closes it, in a loop over tiles.
*One open handle* is the same loop without opening. *torchgeo* is a RasterDataset with its RandomPatchSampler (96
pixels) and a DataLoader (batches of 72, stack_samples), once without workers and once with two that were started
before; the claim is against the faster. It gives float32 as its users get it, the prepared map uint8. GDAL's cache of
decoded blocks is limited to 64 MB in every process, a twentieth of the map: the same share that its default, a
twentieth of 16 GB of memory, has of a map of Germany at 10 m. On a map that fits into that cache torchgeo comes
nearer: the last two rows, without a claim, show it with GDAL's default on this machine after several epochs, when
nearly the whole map lies decoded in the memory of each worker.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from benchmarks.maps import SIDE, benchmark_maps
from benchmarks.measure import Row, Setting, at_least, faster, in_turn
from benchmarks.with_torchgeo import (
    BATCH,
    GDAL_DEFAULT,
    SEVERAL,
    SIZE,
    check_image,
    epochs,
    fastest,
    image_epochs,
    image_map,
    limit_gdal_cache,
    random_positions,
)
from dataProcessors.tiffreader import TiffReader

RATE = 60_000  # tiles per second, claimed
OURS, PER_TILE, ONE_HANDLE = "prepared map", "rasterio.open per tile", "one open handle"
DECODED = "torchgeo, 2 workers, the map in GDAL's cache"


def measure(setting: Setting) -> list[Row]:
    """Measure the prepared map against windows of the GeoTIFF and torchgeo."""
    side = setting.number(SIDE, 2000)
    path = benchmark_maps(setting.folder, side).image
    limit_gdal_cache()
    reader = TiffReader(path, cache=setting.folder / "cache", threads=2)
    rng = np.random.default_rng(0)
    check(path, reader, random_positions(rng, side, BATCH)[0])
    tiles = setting.number(20, 2) * BATCH
    theirs = image_epochs(path, tiles)
    decoded = epochs(image_map(path), tiles, SEVERAL, GDAL_DEFAULT)
    for _ in range(setting.number(5, 1)):
        decoded()
    ways = {OURS: lambda: read_batches(reader, random_positions(rng, side, setting.number(500, 4) * BATCH))}
    loops = window_ways(path, lambda: random_positions(rng, side, setting.number(4, 1) * BATCH))
    timings = in_turn(ways | loops | theirs | {DECODED: decoded}, setting.rounds)
    return make_rows(timings, theirs, setting)


def read_batches(reader: TiffReader, batches: np.ndarray) -> int:
    """Read batches of tiles; return the number of tiles."""
    for positions in batches:
        reader.read(positions, SIZE)
    return batches.shape[0] * batches.shape[1]


def window_ways(path: Path, draw: Callable[[], np.ndarray]) -> dict[str, Callable[[], int]]:
    """Return the loops over windows of the GeoTIFF."""
    handle = rasterio.open(path)
    return {
        PER_TILE: lambda: _count_tiles(read_opening_each(path, draw())),
        ONE_HANDLE: lambda: _count_tiles(read_from_handle(handle, draw())),
    }


def _count_tiles(batches: Iterator[np.ndarray]) -> int:
    limit_gdal_cache()  # another way may have set another limit
    return sum(map(len, batches))


def read_from_handle(handle: rasterio.DatasetReader, batches: np.ndarray) -> Iterator[np.ndarray]:
    """Yield batches of tiles, read window by window from one handle."""
    for positions in batches:
        yield np.stack([handle.read(window=Window(x, y, SIZE, SIZE)) for x, y in positions.tolist()])


def read_opening_each(path: Path, batches: np.ndarray) -> Iterator[np.ndarray]:
    """Yield batches of tiles; the file is opened for each window."""
    for positions in batches:
        yield np.stack([_read_opening(path, Window(x, y, SIZE, SIZE)) for x, y in positions.tolist()])


def _read_opening(path: Path, window: Window) -> np.ndarray:
    with rasterio.open(path) as handle:
        return handle.read(window=window)


def check(path: Path, reader: TiffReader, positions: np.ndarray) -> None:
    """Fail unless all ways read the same tiles."""
    expected = reader.read(positions, SIZE)
    with rasterio.open(path) as handle:
        assert np.array_equal(next(read_from_handle(handle, positions[None])), expected)
    check_image(path, reader, positions)


def make_rows(timings: dict, theirs: dict, setting: Setting) -> list[Row]:
    """Return the rows: the rate, the claimed ratios, and the rates of the others."""
    ours = timings[OURS]
    rate = ours.rate("tiles")
    first = Row(OURS, rate) if setting.tiny else at_least(OURS, rate, 1 / ours.median, RATE, "tiles/s")
    usual = fastest({name: timings[name] for name in theirs})
    return [
        first,
        *(Row(name, timing.rate("tiles")) for name, timing in timings.items() if name not in (OURS, DECODED)),
        faster(f"{OURS} against {PER_TILE}", ours.times(timings[PER_TILE]), 150),
        Row(f"{OURS} against {ONE_HANDLE}", str(ours.times(timings[ONE_HANDLE]))),
        faster(f"{OURS} against the faster torchgeo", ours.times(usual), 100),
        Row(DECODED, timings[DECODED].rate("tiles")),
        Row(f"{OURS} against {DECODED}", str(ours.times(timings[DECODED]))),
    ]
