"""An embedded map: the embeddings of all tiles of a grid, in files that are mapped into memory.

A folder holds `about.json`, `vectors.npy` (T, D) and `valid.npy` (T,); tiles are numbered row by row, see `TileGrid`.
The vectors are int8, and `scale` times as large as stored, or float32. Tiles without enough data have none: they are
rows of NODATA (int8) or NaN (float32).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from config import UserError
from dataProcessors.rasters.grid import Grid, Window
from inference.core.tile_grid import TileGrid

ABOUT, VECTORS, VALID = "about.json", "vectors.npy", "valid.npy"
NODATA = -128  # in all dimensions of a tile without enough data; no embedding is quantised to it
CHUNK_VALUES = 1 << 22  # of the vectors that are converted at once


@dataclass(frozen=True)
class EmbeddedMap:
    """Embeddings of all tiles of a map; `open_embedded` opens it.

    Attributes:
        folder: with its files
        about: content of about.json: the network, the map, the grid and the quantisation
        vectors: (T, D) int8 or float32, mapped into memory
        valid: (T,) bool, which tiles have an embedding
    """

    folder: Path
    about: dict[str, Any]
    vectors: np.ndarray
    valid: np.ndarray

    @cached_property
    def tiles(self) -> TileGrid:
        """The grid of the tiles."""
        return TileGrid(Window(*self.about["window"]), self.about["image_size"], self.about["stride"])

    @cached_property
    def map_grid(self) -> Grid:
        """The pixel grid of the map."""
        crs, (width, height) = self.about["crs"], self.about["size"]
        return Grid(CRS.from_wkt(crs) if crs else None, Affine(*self.about["transform"]), width, height)

    @property
    def scale(self) -> float:
        """What a stored value is multiplied with to get the embedding's."""
        return float(self.about["scale"])

    @property
    def unit_length(self) -> bool:
        """Whether the network scales embeddings to length 1, so that their products are cosines."""
        return bool(self.about["unit_length"])

    @property
    def dimensions(self) -> int:
        """D, length of an embedding."""
        return int(self.vectors.shape[1])

    def embeddings(self, tiles: np.ndarray | slice) -> np.ndarray:
        """Return the embeddings (n, D) float32 of tiles (n,); those of tiles that are not valid mean nothing."""
        values = np.asarray(self.vectors)[tiles].astype(np.float32)  # no np.memmap, whose every step costs more
        values *= np.float32(self.scale)
        return values

    def chunks(self) -> Iterator[slice]:
        """Yield the tiles in order, in chunks whose float32 embeddings take 16 MB."""
        step = max(1, CHUNK_VALUES // self.dimensions)
        for start in range(0, len(self.vectors), step):
            yield slice(start, min(start + step, len(self.vectors)))


def open_embedded(folder: Path) -> EmbeddedMap:
    """Open an embedded map.

    Raises:
        UserError: a file is missing, truncated or does not fit the others
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf8"))
        vectors, valid = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in (VECTORS, VALID))
        embedded = EmbeddedMap(folder, about, vectors, valid)
        expected = (len(embedded.tiles), about["dimensions"]), np.dtype(about["type"]), (len(embedded.tiles),)
        if (vectors.shape, vectors.dtype, valid.shape) != expected:
            raise ValueError(f"{vectors.shape} {vectors.dtype} is stored instead of {expected[0]} {expected[1]}")
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise UserError(
            f"{folder}: the embedded map is incomplete or damaged ({error}). Remove the folder, and run embed again."
        ) from None
    return embedded
