"""A map for a server of this machine, and tiles of it."""

from pathlib import Path

import numpy as np
import rasterio.shutil
from maps_for_tests import noise, write_map

from dataProcessors.rasters import map_file

SIDE, BLOCK = 1024, 128  # pixels: of the map; of its blocks, some 48 kB each
START = map_file.START
TILE = 64


def write_cog(path: Path, seed: int = 0, **options) -> Path:
    plain = write_map(path.with_name("plain.tif"), noise((3, SIDE, SIDE), seed=seed), **options)
    rasterio.shutil.copy(plain, path, driver="COG", BLOCKSIZE=BLOCK, COMPRESS="DEFLATE", OVERVIEWS="NONE")
    return path


def random_tiles(number: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, SIDE - TILE, (number, 2))


def one_line(error) -> str:
    message = str(error.value)
    assert "\n" not in message and len(message) < 600, message
    return message
