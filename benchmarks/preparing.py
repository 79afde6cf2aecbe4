"""Preparing a map at 0.6 of the rate of decoding it, once

A map is prepared when it is first used: it is decoded, warped to the grid, its classes are counted block by block, and
it is written until it is on the disk. The image is compared with the time that rasterio alone needs to decode all
blocks, which are not kept, with as many threads; the label map with the time that a WarpedVRT of the same settings
needs for all windows (its tolerance is a thousandth of a pixel, because with GDAL's default, an eighth of a pixel, 2 %
of the pixels get a neighbour's class; the rate with the default is shown too). GDAL keeps 32 MB of decoded blocks, as
`python main.py` sets it: with its default it would fill memory with blocks that are read once, which costs both sides
time. Only this project writes anything; the time that the disk alone needs for as many bytes as the prepared image has
is shown too. Before each measurement the files of the one before are removed, and the disk is waited for.
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
from dataProcessors.label_reader import LabelReader
from dataProcessors.maps import GDAL_CACHE
from dataProcessors.rasters.handles import WARP_TOLERANCE
from dataProcessors.tiffreader import TiffReader

THREADS = 2
PIECE = bytes(range(256)) * 4096  # 1 MiB
GDAL_TOLERANCE = 0.125  # pixels, its default


def measure(setting: Setting) -> list[Row]:
    """Measure the preparation of image and label map, from the start in every round."""
    set_gdal_config("GDAL_CACHEMAX", GDAL_CACHE * 2**20)
    maps, cache = benchmark_maps(setting.folder, setting.number(20_000, 2_000)), setting.folder / "prepared"
    ways = image_ways(maps, cache) | label_ways(maps, cache)
    timings = in_turn(ways, setting.rounds, before=lambda: remove_folder(cache))
    remove_folder(cache)
    image, decoded, _, labels, same, coarse = timings.values()
    return [
        *(Row(f"{what}, s per map", timing.duration()) for what, timing in timings.items()),
        faster("image: rate of preparing over that of decoding", image.times(decoded), 0.6),
        faster("labels: rate of preparing over that of warping", labels.times(same), 0.6),
        Row("labels: the same over that of warping with GDAL's tolerance", str(labels.times(coarse))),
    ]


def remove_folder(folder: Path) -> None:
    """Remove a folder, and wait for the disk, which may need a second for it."""
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()


def image_ways(maps: BenchmarkMaps, cache: Path) -> dict[str, Callable]:
    """Return the functions to time for the image."""
    grid = TiffReader(maps.image)

    def prepare() -> None:
        TiffReader(maps.image, cache=cache, threads=THREADS)

    return {
        "image prepared": prepare,
        "image decoded by rasterio alone": lambda: read_all_windows(lambda: rasterio.open(maps.image), 512),
        "as many bytes taken by the disk": lambda: write_bytes(cache, grid.width * grid.height * len(grid.bands)),
    }


def label_ways(maps: BenchmarkMaps, cache: Path) -> dict[str, Callable]:
    """Return the functions to time for the label map."""
    grid = TiffReader(maps.image)

    def prepare() -> None:
        LabelReader(maps.labels, "osm", grid, "osm", cache, THREADS)

    return {
        "labels prepared": prepare,
        "labels warped by WarpedVRT alone": lambda: read_all_windows(
            lambda: open_warped(maps.labels, grid, WARP_TOLERANCE), 2048
        ),
        "labels warped with GDAL's tolerance": lambda: read_all_windows(
            lambda: open_warped(maps.labels, grid, GDAL_TOLERANCE), 2048
        ),
    }


def open_warped(path: Path, grid: TiffReader, tolerance: float) -> WarpedVRT:
    """Open a label map, warped to the image's grid."""
    return WarpedVRT(
        rasterio.open(path), crs=grid.crs, transform=grid.transform, width=grid.width, height=grid.height,
        add_alpha=True, tolerance=tolerance,
    )  # fmt: skip


def write_bytes(folder: Path, number: int) -> None:
    """Write `number` bytes in a folder, and wait until they are on the disk."""
    folder.mkdir(exist_ok=True)
    with open(folder / "bytes", "wb") as file:
        for start in range(0, number, len(PIECE)):
            file.write(PIECE[: number - start])
        file.flush()
        os.fsync(file.fileno())


def read_all_windows(open_file: Callable, side: int) -> None:
    """Read all windows of side x side pixels with several threads, each with its own handle."""
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
