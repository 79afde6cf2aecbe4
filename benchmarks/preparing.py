"""Preparing a map at 0.6 of the rate of decoding it, once

A map is prepared when it is first used: decoded, brought onto the grid, its classes counted block by block, written to
the disk and waited for until it lies there. The image is compared with what rasterio alone needs to decode all blocks
into memory that is then thrown away, with as many threads; the label map with what a WarpedVRT of the same settings
needs to give all windows (its tolerance is a thousandth of a pixel, since with GDAL's own eighth of a pixel 2 % of the
pixels get a neighbour's class; that rate stands beside it). GDAL keeps 32 MB of decoded blocks, as `python main.py`
sets it: by itself it would fill memory with what is read once, which costs both sides time. Only our side writes
anything; what the disk alone needs to take as many bytes as the prepared image has stands beside it too. What a round
left is removed, and the disk waited for, before the next is timed.
"""

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import rasterio
from rasterio.env import set_gdal_config
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from benchmarks.maps import BenchmarkMaps, benchmark_maps
from benchmarks.measure import Row, Setting, faster, in_turn
from dataProcessors.maps import GDAL_CACHE
from dataProcessors.rasters.handles import WARP_TOLERANCE
from dataProcessors.tiffreader import LabelReader, TiffReader

THREADS = 2
PIECE = bytes(range(256)) * 4096  # 1 MiB
GDAL_TOLERANCE = 0.125  # pixels, its default


def measure(setting: Setting) -> list[Row]:
    """Image and label map, prepared from nothing in every round."""
    set_gdal_config("GDAL_CACHEMAX", GDAL_CACHE * 2**20)
    maps, cache = benchmark_maps(setting.folder, setting.number(20_000, 2_000)), setting.folder / "prepared"
    ways = image_ways(maps, cache) | label_ways(maps, cache)
    taken = in_turn(ways, setting.rounds, before=lambda: remove(cache))
    remove(cache)
    image, decoded, _, labels, same, coarse = taken.values()
    return [
        *(Row(f"{what}, s per map", timing.duration()) for what, timing in taken.items()),
        faster("image: rate of preparing over that of decoding", image.times(decoded), 0.6),
        faster("labels: rate of preparing over that of warping", labels.times(same), 0.6),
        Row("labels: the same over that of warping with GDAL's tolerance", str(labels.times(coarse))),
    ]


def remove(folder: Path) -> None:
    """Remove a folder, and wait for the disk, which may be busy with that for a second."""
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()


def image_ways(maps: BenchmarkMaps, cache: Path) -> dict[str, Callable]:
    """What is timed of the image."""
    grid = TiffReader(maps.image)

    def prepare() -> None:
        TiffReader(maps.image, cache=cache, threads=THREADS)

    return {
        "image prepared": prepare,
        "image decoded by rasterio alone": lambda: decode(lambda: rasterio.open(maps.image), 512),
        "as many bytes taken by the disk": lambda: write(cache, grid.width * grid.height * len(grid.bands)),
    }


def label_ways(maps: BenchmarkMaps, cache: Path) -> dict[str, Callable]:
    """What is timed of the label map."""
    grid = TiffReader(maps.image)

    def prepare() -> None:
        LabelReader(maps.labels, "osm", grid, "osm", cache, THREADS)

    return {
        "labels prepared": prepare,
        "labels warped by WarpedVRT alone": lambda: decode(lambda: warped(maps.labels, grid, WARP_TOLERANCE), 2048),
        "labels warped with GDAL's tolerance": lambda: decode(lambda: warped(maps.labels, grid, GDAL_TOLERANCE), 2048),
    }


def warped(path: Path, grid: TiffReader, tolerance: float) -> WarpedVRT:
    """A label map on the image's grid."""
    return WarpedVRT(
        rasterio.open(path), crs=grid.crs, transform=grid.transform, width=grid.width, height=grid.height,
        add_alpha=True, tolerance=tolerance,
    )  # fmt: skip


def write(folder: Path, number: int) -> None:
    """Write so many bytes in a folder, and wait until they lie on the disk."""
    folder.mkdir(exist_ok=True)
    with open(folder / "bytes", "wb") as file:
        for start in range(0, number, len(PIECE)):
            file.write(PIECE[: number - start])
        file.flush()
        os.fsync(file.fileno())


def decode(open_file: Callable, side: int) -> None:
    """Read all windows of side x side pixels by threads, each with a handle of its own."""
    handles = threading.local()

    def read(window: Window) -> None:
        if not hasattr(handles, "file"):
            handles.file = open_file()
        handles.file.read(window=window)

    with open_file() as file:
        width, height = file.width, file.height
    corners = [(x, y) for y in range(0, height, side) for x in range(0, width, side)]
    windows = [Window(x, y, min(side, width - x), min(side, height - y)) for x, y in corners]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, windows))
