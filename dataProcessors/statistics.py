"""Statistics of pixel values: the normalisation of a network's input, and band statistics as features of a tile."""

import logging

import numpy as np

from dataProcessors.dated_images import DatedImages
from dataProcessors.prepared.blocks import BLOCK
from dataProcessors.rasters.image_part import ImagePart
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.dates import at_all_dates
from dataProcessors.tiffreader import TiffReader

log = logging.getLogger(__name__)
SAMPLE_TILES = 256

Image = TiffReader | DatedImages  # of several dates, statistics are those of all of them
Scaling = tuple[np.ndarray, np.ndarray]  # offset (C,) and scale (C,) of the bands
MIN_FILLER_SHARE = 0.1  # share of a map's pixels; one value in all bands of so many pixels is seldom land ...
MIN_FILLER_PEAK = 3  # ... if it is this many times as frequent as the values next to it; else the map has low contrast


def sample_tiles(image: Image | ImagePart, size: int, n: int = SAMPLE_TILES, area: Area | None = None) -> np.ndarray:
    """Read n tiles (n, channels, size, size) from all over the part of the map in use, the same at every call.

    Of several dates, the n tiles of each date.

    Args:
        image: the map
        size: side of the tiles in pixels
        n: number of tiles of each date
        area: of the map, with its dates; its tiles stand in for those that lack data. None: none do
    """
    size = min(size, image.window.width, image.window.height)
    rng = np.random.default_rng(0)
    high = np.array(image.window[2:]) - size + 1
    positions = np.array(image.window[:2]) + rng.integers(0, high, (n, 2))
    dates = image.dates if isinstance(image, DatedImages) else 1
    positions = at_all_dates(positions, dates)
    if area is not None:
        lacking = ~area.has_data(positions)
        positions[lacking] = area.draw(int(lacking.sum()), rng)
    return image.read(positions, size)


def normalisation(image: Image, size: int, area: Area | None = None) -> Scaling:
    """Return offset (C,) and scale (C,) per band: a network's input is (x - offset) * scale.

    uint8 RGB becomes x / 127.5 - 1; any other map is standardised. For the arguments see `sample_tiles`.
    """
    bands = len(image.bands)
    if image.dtype == np.uint8 and bands == 3:
        return np.full(bands, 127.5), np.full(bands, 1 / 127.5)
    return standardisation(image, size, area)


def standardisation(image: Image, size: int, area: Area | None = None) -> Scaling:
    """Return offset (C,) and scale (C,) that give every band mean 0 and standard deviation 1, estimated by a sample."""
    mean, deviation = _mean_and_deviation(image, sample_tiles(image, size, area=area))
    return mean, 1 / np.where(deviation > 0, deviation, 1)


def band_levels(image: TiffReader | ImagePart, size: int) -> dict[str, list[float]]:
    """Return mean and deviation of each band, estimated by a sample: what tells whether two maps are alike."""
    mean, deviation = _mean_and_deviation(image, sample_tiles(image, size))
    return {"mean": mean.tolist(), "deviation": deviation.tolist()}


def _mean_and_deviation(image: Image | ImagePart, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (C,) and deviation (C,) of the bands over tiles of a map; 0 and 1 if they hold no data."""
    bands = len(image.bands)
    with_data = pixels[:, :bands].swapaxes(0, 1)[:, valid_mask(pixels, image.has_validity)].astype(np.float64)
    if not with_data.size:
        return np.zeros(bands), np.ones(bands)
    return with_data.mean(1), with_data.std(1)


def warn_about_filler(image: TiffReader, size: int) -> None:
    """Log a warning if many pixels have one value in all bands that is probably an undeclared nodata value."""
    tiles = sample_tiles(image, min(size, BLOCK))  # (n, channels, h, w)
    valid, tiles = valid_mask(tiles, image.has_validity), tiles[:, : len(image.bands)]
    suspected = (tiles == tiles[:, :1]).all(1) & valid  # (n, h, w)
    values, counts = np.unique(tiles[:, 0][suspected], return_counts=True)
    if not len(values):
        return
    value, most = values[counts.argmax()].item(), counts.max()
    beside = counts[np.isin(values.astype(float), [value - 1, value + 1]) & (values != value)]  # 1e38 + 1 is 1e38
    if most >= MIN_FILLER_SHARE * suspected.size and (most >= MIN_FILLER_PEAK * beside).all():
        log.warning(
            "%s: %.0f%% of the pixels are %g in all bands. If this means nodata, set 'maps.nodata' to it: else these "
            "pixels are trained on and scored", image.path, 100 * most / suspected.size, value,
        )  # fmt: skip


def band_statistics(tiles: np.ndarray, has_validity: bool, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return mean, deviation, minimum and maximum of each band over a tile's pixels with data: (N, 4 C) float32.

    A tile without data counts as one of value 0.

    Args:
        tiles: (N, channels, h, w), the C bands and, if `has_validity`, where they hold data
        has_validity: see `valid_mask`
        offset, scale: (C,) the map's normalisation, so that every band has the same weight in distances
    """
    valid = valid_mask(tiles, has_validity)[:, None]  # (N, 1, h, w)
    number = valid.sum((2, 3))  # (N, 1)
    values = np.where(valid, tiles[:, : len(offset)], 0).astype(np.float64)
    mean = values.sum((2, 3)) / np.maximum(number, 1)  # (N, C)
    deviation = np.sqrt(np.where(valid, (values - mean[:, :, None, None]) ** 2, 0).sum((2, 3)) / np.maximum(number, 1))
    lowest, highest = (
        np.where(number > 0, reduce(np.where(valid, values, fill), axis=(2, 3)), 0)
        for reduce, fill in ((np.min, np.inf), (np.max, -np.inf))
    )
    levels = [(level - offset) * scale for level in (mean, lowest, highest)]
    return np.concatenate([levels[0], deviation * scale, *levels[1:]], 1).astype(np.float32)
