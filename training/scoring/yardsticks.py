"""Yardsticks: feature sets that no training changes, scored beside the network's embeddings on the same tiles."""

from collections.abc import Callable

import numpy as np
import torch
from tqdm import tqdm

from config import Config
from dataProcessors import maps as run_maps
from dataProcessors.features import FeatureStore
from dataProcessors.maps import OpenMaps
from dataProcessors.statistics import band_statistics, normalisation, standardisation
from networks import RandomConvolutions
from training.scoring.evaluator import EmbedPositions, in_batches

VERSION = 1  # of the random convolutions; increase it when their values change


def yardsticks(config: Config, maps: OpenMaps) -> dict[str, EmbedPositions]:
    """Return the feature sets beside the network: name -> function from positions (N, 2) to features (N, D) float32.

    band_statistics: mean, deviation, minimum and maximum of each band; random_convolutions: see
    networks.random_convolutions, kept in the cache.
    """
    image, size = maps.image, config.image_size
    scaling = normalisation(image, size)
    convolutions = RandomConvolutions(*standardisation(image, size))
    identity = {"size": size, "window": list(image.window)}
    store = FeatureStore(run_maps.CACHE if config.cache else None, image.key, identity)

    @torch.no_grad()
    def convolve(tiles: np.ndarray) -> np.ndarray:
        return convolutions(torch.from_numpy(tiles)).numpy()

    def of_bands(tiles: np.ndarray) -> np.ndarray:
        return band_statistics(tiles, image.has_validity, *scaling)

    return {
        "band_statistics": _of_tiles(maps, of_bands, "band statistics"),
        "random_convolutions": store.stored(
            "random_convolutions", {"version": VERSION}, _of_tiles(maps, convolve, "random convolutions")
        ),
    }


def _of_tiles(maps: OpenMaps, function: Callable[[np.ndarray], np.ndarray], title: str) -> EmbedPositions:
    """Return a function of positions from one of tiles, (n, channels, size, size) -> (n, D), in batches."""

    def embed(positions: np.ndarray) -> np.ndarray:
        with tqdm(total=len(positions), desc=title, unit="tile", leave=False, disable=None, delay=1) as bar:
            parts = []
            for part in in_batches(positions, maps.area.size):
                parts.append(function(maps.read(part)))
                bar.update(len(part))
        return np.concatenate(parts)

    return embed
