"""Yardsticks: feature sets that no training changes, scored beside the network's embeddings on the same tiles."""

import logging
from collections.abc import Callable

import numpy as np
import torch
from tqdm import tqdm

from config import Config
from dataProcessors import maps as run_maps
from dataProcessors.features import FeatureStore
from dataProcessors.maps import OpenMaps
from dataProcessors.rasters.feature_raster import AlignedRaster, FeatureRaster
from dataProcessors.statistics import band_statistics, normalisation, standardisation
from networks import RandomConvolutions
from training.execution.tile_batches import in_batches
from training.scoring.evaluator import EmbedPositions

log = logging.getLogger(__name__)
VERSIONS = {"convolutions": 2, "rasters": 1}  # increase one when the values of these features change
RASTER_TILES = 32  # read at once: of 64 bands, tiles of 96 pixels then take 75 MB, and the sums three times as much


def yardsticks(config: Config, maps: OpenMaps) -> dict[str, EmbedPositions]:
    """Return the feature sets beside the network: name -> function from positions (N, 2) to features (N, D) float32.

    All are of the date on which the network is scored. band_statistics: mean, deviation, minimum and maximum of each
    band; random_convolutions: see networks.random_convolutions, kept in the cache; then those of the config, kept there
    too.

    Raises:
        MapError: a raster of the config cannot be used, or lies elsewhere
    """
    image, size, area = maps.image, config.image_size, maps.area.of_first_date()
    scaling, standard = normalisation(image, size, area), standardisation(image, size, area)
    convolutions = RandomConvolutions(*standard)
    identity = {"size": size, "window": list(image.window)}
    store = FeatureStore(run_maps.CACHE if config.cache else None, image.key, identity)

    @torch.no_grad()
    def convolve(tiles: np.ndarray) -> np.ndarray:
        return convolutions(torch.from_numpy(tiles)).numpy()

    def of_bands(tiles: np.ndarray) -> np.ndarray:
        return band_statistics(tiles, image.has_validity, *scaling)

    sets = {
        "band_statistics": _of_tiles(maps, of_bands, "band statistics"),
        "random_convolutions": store.stored(
            "random_convolutions",
            {"version": VERSIONS["convolutions"], "scaling": [values.tolist() for values in standard]},
            _of_tiles(maps, convolve, "random convolutions"),
        ),
    }
    for name, raster in open_rasters(config).items():
        aligned = AlignedRaster(raster, image.grid, image.window)
        georeference = {"grid": list(image.transform), "crs": str(image.crs)}
        identity = {"version": VERSIONS["rasters"], **georeference, **raster.identity}
        sets[name] = store.stored(name, identity, _of_raster(aligned, name, size))
    return sets


def open_rasters(config: Config) -> dict[str, FeatureRaster]:
    """Return name -> raster of the config's yardsticks.

    Raises:
        MapError: a file is missing or cannot be used
    """
    return {name: FeatureRaster(file.path, file.dequantise) for name, file in config.yardsticks.items()}


def _of_raster(raster: AlignedRaster, name: str, size: int) -> EmbedPositions:
    """Return a function of positions: mean and deviation of each band over the pixels of a tile that hold data."""
    bands = len(raster.raster.bands)

    def embed(positions: np.ndarray) -> np.ndarray:
        parts, empty = [], 0
        with tqdm(total=len(positions), desc=name, unit="tile", leave=False, disable=None, delay=1) as bar:
            for part in np.array_split(positions, max(1, -(-len(positions) // RASTER_TILES))):
                tiles = raster.read(part, size)
                empty += int((~tiles[:, -1].any((1, 2))).sum())
                parts.append(band_statistics(tiles, True, np.zeros(bands), np.ones(bands))[:, : 2 * bands])
                bar.update(len(part))
        if empty:
            log.warning(
                "%s: %d of %d tiles have no pixel with data there; their features are zeros",
                raster.path, empty, len(positions),
            )  # fmt: skip
        return np.concatenate(parts)

    return embed


def _of_tiles(maps: OpenMaps, function: Callable[[np.ndarray], np.ndarray], title: str) -> EmbedPositions:
    """Return a function of positions from one of tiles, (n, channels, size, size) -> (n, D), in batches."""

    def embed(positions: np.ndarray) -> np.ndarray:
        with tqdm(total=len(positions), desc=title, unit="tile", leave=False, disable=None, delay=1) as bar:
            parts = []
            for part in in_batches(positions, maps.area.size):
                parts.append(function(maps.image.read(part, maps.area.size)))
                bar.update(len(part))
        return np.concatenate(parts)

    return embed
