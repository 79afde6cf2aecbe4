"""torchgeo, from 0.10 on, as its users use it: RasterDataset, RandomPatchSampler, DataLoader.

GDAL keeps decoded blocks in memory, by default in a twentieth of the machine's. That soon holds nearly all of a
benchmark's map of 1.2 GB, and hardly anything of a country's (all of Germany at 10 m: 16 GB and more). So that the map
stands for one, the cache is set to a twentieth of the map for what reads the GeoTIFF; `epochs` can give it GDAL's
default instead. It is always set, since `dataProcessors` sets a smaller one for itself, which is not torchgeo's.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rasterio.env import set_gdal_config
from torch.utils.data import DataLoader
from torchgeo.datasets import GeoDataset, RasterDataset, stack_samples
from torchgeo.samplers import RandomPatchSampler, Units

from benchmarks.measure import Timing
from dataProcessors.tiffreader import TiffReader

SIZE, BATCH = 96, 72  # pixels of a tile's side, tiles of a batch
GDAL_CACHE = 64 * 2**20  # bytes
GDAL_DEFAULT = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 20  # bytes
FEW, SEVERAL = 0, 2  # workers


class ImageMap(RasterDataset):
    """The image map, in torchgeo's float32."""

    is_image = True


class LabelMap(RasterDataset):
    """The label map's colours, brought into the image's CRS by torchgeo; not decoded into classes."""

    is_image = False


def image_map(path: Path) -> ImageMap:
    """The image map."""
    return ImageMap(str(path))


def image_with_labels(image: Path, labels: Path) -> GeoDataset:
    """Both maps, sampled together."""
    return ImageMap(str(image)) & LabelMap(str(labels))


def limit_gdal_cache(size: int = GDAL_CACHE) -> None:
    """Set how many bytes of decoded blocks GDAL keeps in this process and in those that it forks."""
    set_gdal_config("GDAL_CACHEMAX", size)


def epochs(dataset: GeoDataset, tiles: int, workers: int, cache: int = GDAL_CACHE) -> Callable[[], int]:
    """What loads an epoch of random tiles when called; the workers live on from one to the next.

    Args:
        dataset: nothing has been read from it in this process, since workers must not share an open file
        tiles: of an epoch
        workers: of the DataLoader; 0 loads in this process
        cache: bytes of decoded blocks that GDAL keeps in each process that reads
    """
    sampler = RandomPatchSampler(dataset, size=SIZE, length=tiles, units=Units.PIXELS)
    loader = DataLoader(
        dataset, batch_size=BATCH, sampler=sampler, num_workers=workers, collate_fn=stack_samples,
        persistent_workers=workers > 0, worker_init_fn=lambda _: limit_gdal_cache(cache),
        multiprocessing_context="fork" if workers else None,  # what Linux does by default
    )  # fmt: skip

    def epoch() -> int:
        limit_gdal_cache(cache)
        return sum(len(batch["image"]) for batch in loader)

    return epoch


def image_epochs(path: Path, tiles: int) -> dict[str, Callable[[], int]]:
    """An epoch of the image map alone without workers and with them, for in_turn."""
    return {f"torchgeo, {workers} workers": epochs(image_map(path), tiles, workers) for workers in (FEW, SEVERAL)}


def label_epochs(image: Path, labels: Path, tiles: int) -> dict[str, Callable[[], int]]:
    """The same of both maps together."""
    return {
        f"torchgeo, {workers} workers": epochs(image_with_labels(image, labels), tiles, workers)
        for workers in (FEW, SEVERAL)
    }


def fastest(timings: dict[str, Timing]) -> Timing:
    """The timing of the fastest way."""
    return min(timings.values(), key=lambda timing: timing.median)


def tile_of(dataset: GeoDataset, reader: TiffReader, position: np.ndarray) -> dict:
    """torchgeo's sample at a position of the image map."""
    left, top = reader.transform * (int(position[0]), int(position[1]))
    right, bottom = reader.transform * (int(position[0]) + SIZE, int(position[1]) + SIZE)
    return dataset[left:right, bottom:top]


def check_image(path: Path, reader: TiffReader, positions: np.ndarray) -> None:
    """Fail unless torchgeo and the reader give the same pixels at these positions."""
    dataset = image_map(path)
    for position, tile in zip(positions, reader.read(positions, SIZE)):
        assert np.array_equal(tile_of(dataset, reader, position)["image"].numpy(), tile)


def random_positions(rng: np.random.Generator, side: int, tiles: int) -> np.ndarray:
    """Positions (batches, BATCH, 2) of tiles anywhere on a map of so many pixels a side."""
    return rng.integers(0, side - SIZE, (tiles // BATCH, BATCH, 2), endpoint=True)
