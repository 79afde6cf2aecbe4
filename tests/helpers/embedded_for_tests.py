"""Embedded maps of random vectors."""

import json
from pathlib import Path

import numpy as np
from affine import Affine
from maps_for_tests import CORNER, UTM32

from dataProcessors.rasters.grid import Window
from inference.core.embedded_map import EmbeddedMap, open_embedded
from inference.core.tile_grid import TileGrid

SHA = "0123456789abcdef" * 4


def write_embedded(
    folder: Path, columns: int = 7, rows: int = 5, dimensions: int = 6, dtype: str = "int8", stride: int = 8,
    size: int = 16, crs=UTM32, place: Affine = CORNER, no_data: float = 0.2,
) -> EmbeddedMap:  # fmt: skip
    """Write an embedded map of unit vectors; a share of the tiles has none, and some pixels have no tile."""
    width, height = ((number - 1) * stride + size for number in (columns, rows))
    tiles = TileGrid(Window(30, 20, width + 3, height + 5), size, stride)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(tiles), dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    valid = rng.random(len(tiles)) >= no_data
    is_float = dtype == "float32"
    stored = vectors if is_float else np.rint(127 * vectors).astype(np.int8)
    stored[~valid] = np.nan if is_float else -128
    image = {
        "path": "data/image.tif", "type": "uint16", "bands": [4, 2], "band_names": ["nir", ""], "modified": 1.7e9,
        "content": "cafe", "synthetic": True,
    }  # fmt: skip
    about = {
        "format": 1, "image_size": size, "stride": stride, "window": list(tiles.window),
        "size": [width + 60, height + 50], "crs": crs.to_wkt() if crs else None, "transform": list(place)[:6],
        "dimensions": dimensions, "type": dtype, "scale": 1.0 if is_float else 1 / 127, "clipped": 0.0,
        "unit_length": True, "tiles": len(tiles), "with_data": int(valid.sum()), "uncovered": list(tiles.uncovered()),
        "network": {"checkpoint": "results/run/best.pt", "sha256": SHA, "run": "results/run", "network": "resnext50"},
        "map": image,
    }  # fmt: skip
    folder.mkdir()
    np.save(folder / "vectors.npy", stored)
    np.save(folder / "valid.npy", valid)
    (folder / "about.json").write_text(json.dumps(about))
    return open_embedded(folder)
