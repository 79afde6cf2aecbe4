"""The maps that the benchmarks read: an image map and a label map of the size of a country, generated at random.

The image has texture at several scales and noise like that of a sensor; deflate compresses it to three quarters. The
labels are patches in the colours of the OSM legend, on their own grid in EPSG:4326, so that warping them to the image's
grid takes as long as for real maps. They are not related to the image.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from scipy.ndimage import zoom
from scipy.spatial import cKDTree

from dataProcessors.legends.legend import builtin_legends

SIDE = 20_000  # pixels of the full map along both axes
BLOCK = 512
PIXEL = 10.0  # metres
CRS, CORNER = "EPSG:32632", (400_000.0, 5_700_000.0)  # UTM 32 N, in the middle of Germany
COMPRESSIONS = {"deflate": {"compress": "deflate", "blockxsize": BLOCK, "blockysize": BLOCK},
                "zstd": {"compress": "zstd", "blockxsize": 128, "blockysize": 128}}  # fmt: skip
NOISE_SIDE = 2048
PATCH = 40  # pixels of the label map for each pixel of the labels' coarse grid
RARE_SHARE = 1e-4  # share of the map of the legend's last class ...
RARE_PATCH = 3  # ... in squares with sides of so many pixels of the coarse grid: large enough to fill most of a tile


class BenchmarkMaps(NamedTuple):
    """Paths of the two maps."""

    image: Path
    labels: Path


def benchmark_maps(folder: Path, side: int = SIDE, compression: str = "deflate") -> BenchmarkMaps:
    """Return the maps of one size and compression; write them first if they are missing in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    image, labels = folder / f"image-{side}-{compression}.tif", folder / f"labels-{side}.tif"
    if not image.exists():
        _write_whole_file(image, lambda path: _write_image(path, side, compression))
    if not labels.exists():
        _write_whole_file(labels, lambda path: _write_labels(path, side))
    return BenchmarkMaps(image, labels)


def _write_whole_file(path: Path, write) -> None:
    temporary = path.with_name(f"making-{os.getpid()}-{path.name}")
    print(f"writing {path} ...", flush=True)
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_image(path: Path, side: int, compression: str) -> None:
    rng = np.random.default_rng(0)
    textures = np.stack([_texture(rng) for _ in range(3)])  # (3, NOISE_SIDE, NOISE_SIDE) float32
    transform = Affine(PIXEL, 0, CORNER[0], 0, -PIXEL, CORNER[1])

    def block(window: Window) -> np.ndarray:
        own = np.random.default_rng([window.col_off, window.row_off])
        top, left = own.integers(0, NOISE_SIDE - BLOCK, 2)
        base = textures[:, top : top + window.height, left : left + window.width] + own.integers(60, 160)
        return np.clip(base + own.normal(0, 1, base.shape), 0, 255).astype(np.uint8)

    _write(path, (3, side, side), CRS, transform, compression, block)


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise of several scales, each half as strong as the next larger one."""
    texture = np.zeros((NOISE_SIDE, NOISE_SIDE), np.float32)
    for scale in (8, 32, 128):
        coarse = rng.normal(size=(NOISE_SIDE // scale,) * 2).astype(np.float32)
        texture += 3 * np.log2(scale) * zoom(coarse, scale, order=1)
    return texture


def _write_labels(path: Path, side: int) -> None:
    left, top = CORNER
    bounds = (left, top - side * PIXEL, left + side * PIXEL, top)
    west, south, east, north = transform_bounds(CRS, "EPSG:4326", *bounds, densify_pts=101)
    transform = Affine((east - west) / side, 0, west, 0, (south - north) / side, north)
    patches = _patches(-(-side // PATCH))
    colours = np.array(builtin_legends()["osm"].colors, np.uint8)

    def block(window: Window) -> np.ndarray:
        rows, columns = np.indices((window.height, window.width))
        rows, columns = rows + window.row_off, columns + window.col_off
        wobble = (6 * np.sin(columns / 17) * np.cos(rows / 23)).astype(int)  # no straight borders
        last = len(patches) - 1
        classes = patches[np.clip((rows + wobble) // PATCH, 0, last), np.clip((columns - wobble) // PATCH, 0, last)]
        return colours[classes].transpose(2, 0, 1)

    _write(path, (3, side, side), "EPSG:4326", transform, "deflate", block)


def _patches(side: int) -> np.ndarray:
    """Return classes (side, side) on a coarse grid: that of the nearest random point; the last class is rare."""
    rng = np.random.default_rng(1)
    points = rng.random((max(side * side // 8, 30), 2)) * side
    others = len(builtin_legends()["osm"]) - 1
    classes = rng.integers(0, others, len(points))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2)
    patches = classes[cKDTree(points).query(grid)[1]].reshape(side, side)
    rare = max(round(RARE_SHARE * side * side / RARE_PATCH**2), 1)
    for row, column in rng.integers(side // 4, side - side // 4, (rare, 2)):  # the edges lie outside of the image
        patches[row : row + RARE_PATCH, column : column + RARE_PATCH] = others
    return patches.astype(np.uint8)


def _write(path: Path, shape: tuple[int, int, int], crs: str, transform: Affine, compression: str, block) -> None:
    """Write a tiled GeoTIFF; as many threads as there are cores compute its blocks (C, h, w)."""
    bands, height, width = shape
    profile = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": "uint8", "crs": crs}
    profile |= {"transform": transform, "tiled": True, "interleave": "pixel", "photometric": "RGB"}
    profile |= COMPRESSIONS[compression]
    with rasterio.open(path, "w", **profile, num_threads="all_cpus") as file, ThreadPoolExecutor() as threads:
        for row in range(0, height, BLOCK):
            windows = list(_row(row, height, width))
            for window, pixels in zip(windows, threads.map(block, windows)):
                file.write(pixels, window=window)


def _row(row: int, height: int, width: int) -> Iterator[Window]:
    for column in range(0, width, BLOCK):
        yield Window(column, row, min(BLOCK, width - column), min(BLOCK, height - row))
