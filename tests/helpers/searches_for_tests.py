"""Small embedded maps, a network that needs no training, and searches done slowly."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from affine import Affine
from maps_for_tests import CORNER, UTM32

from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import EmbeddedMap, open_embedded
from inference.core.tile_grid import TileGrid

DIGEST = "0" * 64


def write_embedded(
    folder: Path, grid: TileGrid, embeddings: np.ndarray, valid=None, unit_length=True, kind="int8", scale=1 / 127,
    crs=UTM32, transform: Affine = CORNER, size=None, fingerprint=None,
) -> EmbeddedMap:  # fmt: skip
    """Write embeddings (T, D) of the tiles of a grid as an embedded map, and open it."""
    valid = np.ones(len(grid), bool) if valid is None else valid
    stored = np.rint(embeddings / scale).clip(-127, 127).astype(np.int8) if kind == "int8" else np.float32(embeddings)
    stored[~valid] = -128 if kind == "int8" else np.nan
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", stored)
    np.save(folder / "valid.npy", valid)
    about = {
        "format": 1, "image_size": grid.size, "stride": grid.stride, "window": list(grid.window),
        "size": size or [grid.window.x + grid.window.width, grid.window.y + grid.window.height],
        "crs": crs.to_wkt() if crs else None, "transform": list(transform)[:6], "dimensions": stored.shape[1],
        "type": kind, "scale": scale if kind == "int8" else 1.0, "unit_length": unit_length, "tiles": len(grid),
        "network": {"checkpoint": "results/run/best.pt", "sha256": DIGEST},
        "map": fingerprint or {"path": "image.tif"},
    }  # fmt: skip
    (folder / "about.json").write_text(json.dumps(about))
    return open_embedded(folder)


def unit_vectors(n: int, dimensions: int, seed=0) -> np.ndarray:
    """Return random vectors (n, D) of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(n, dimensions))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def mean_colours(tiles: np.ndarray) -> np.ndarray:
    """Embed tiles (N, channels, h, w) as their mean and deviation in the first two bands, less 127: (N, 4) float32."""
    pixels = tiles[:, :2].astype(np.float64)
    return np.concatenate([pixels.mean((2, 3)) - 127, pixels.std((2, 3))], 1).astype(np.float32)


def run_of(folder: Path, size: int, embed=mean_colours, bands=None, nodata=None) -> SimpleNamespace:
    """Return what a search needs of a TrainedRun, with `embed` as the network."""
    return SimpleNamespace(
        folder=folder, checkpoint=folder / "best.pt", digest=DIGEST, embed=embed, execution=SimpleNamespace(threads=1),
        config=SimpleNamespace(image_size=size, max_nodata=0.1, output_size=4),
        maps=SimpleNamespace(bands=bands, nodata=nodata),
    )  # fmt: skip


def embedded_image(folder: Path, image: TiffReader, size: int, stride: int, valid=None) -> EmbeddedMap:
    """Embed an image by `mean_colours`, as float32."""
    grid = TileGrid(image.window, size, stride)
    embeddings = mean_colours(image.read(grid.positions(np.arange(len(grid))), size))
    return write_embedded(
        folder, grid, embeddings, valid, unit_length=False, kind="float32", crs=image.crs, transform=image.transform,
        size=[image.width, image.height], fingerprint=image.fingerprint(),
    )  # fmt: skip


def slow_choice(similarity: np.ndarray, positions: np.ndarray, size: int, examples: np.ndarray) -> list[int]:
    """Return all tiles that a search would give one after the other, from all tiles in their order."""
    chosen: list[int] = []
    taken = [tuple(each) for each in np.asarray(examples).tolist()]
    for tile in sorted(np.flatnonzero(np.isfinite(similarity)).tolist(), key=lambda i: (-similarity[i], i)):
        x, y = positions[tile].tolist()
        if all(max(abs(x - a), abs(y - b)) >= size for a, b in taken):
            chosen.append(tile)
            taken.append((x, y))
    return chosen
