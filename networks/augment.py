"""Augmentation: training tiles are turned at random; embeddings can be means over all ways to turn a tile."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

DIHEDRAL_SIZE = 8  # symmetries of a square: four rotations, each with and without mirroring


def random_dihedral(tiles: Tensor, rng: np.random.Generator) -> Tensor:
    """Rotate and mirror each tile in one of the eight ways, drawn uniformly and for each tile separately.

    Land looks the same from any side, so none of the eight changes what a tile shows.

    Args:
        tiles: (N, C, S, S) of any dtype, on any device
        rng: generator that draws the N ways
    Returns:
        (N, C, S, S); see `turned`
    """
    return turned(tiles, draw_ways(len(tiles), rng))


def draw_ways(number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one of the eight ways for each of a number of tiles: (number,) int64."""
    return rng.integers(DIHEDRAL_SIZE, size=number)


def turned(tiles: Tensor, ways: np.ndarray) -> Tensor:
    """Rotate and mirror each tile in its way.

    Args:
        tiles: (N, C, S, S) of any dtype, on any device
        ways: (N,) int64 in [0, 8); see `dihedral`
    Returns:
        (N, C, S, S), a new tensor of the same dtype
    Raises:
        ValueError: the tiles are not square
    """
    if tiles.ndim != 4 or tiles.shape[2] != tiles.shape[3]:
        raise ValueError(f"random_dihedral needs square tiles (N, C, S, S). Got {tuple(tiles.shape)} instead.")
    on_device = torch.from_numpy(ways).to(tiles.device, non_blocking=True)
    sources = _source_pixels(tiles.shape[-1], tiles.device)[on_device]  # (N, S * S)
    pixels = _movable(tiles).flatten(2)  # (N, C, S * S)
    if tiles.is_contiguous(memory_format=torch.channels_last):  # the result is then too
        result = pixels.transpose(1, 2).gather(1, sources[:, :, None].expand(-1, -1, tiles.shape[1])).transpose(1, 2)
    else:
        result = pixels.gather(2, sources[:, None].expand(-1, tiles.shape[1], -1))
    return result.unflatten(2, tiles.shape[2:]).view(tiles.dtype)


@cache
def _source_pixels(side: int, device: torch.device) -> Tensor:
    """Return the index that each pixel of a rotated tile comes from, for every way: (DIHEDRAL_SIZE, side * side)."""
    own = torch.arange(side * side).view(side, side)
    return torch.stack([dihedral(own, way).flatten() for way in range(DIHEDRAL_SIZE)]).to(device)


def dihedral(tiles: Tensor, way: int) -> Tensor:
    """Rotate tiles (..., S, S) left by `way % 4` right angles, then mirror them left to right where `way` is >= 4."""
    rotated = torch.rot90(_movable(tiles), way % 4, (-2, -1))
    return (rotated.flip(-1) if way >= 4 else rotated).view(tiles.dtype)


def mean_over_views(embed: Callable[..., Tensor], *tiles: Tensor) -> Tensor:
    """Return the mean of what a function makes of tiles in all eight ways to turn them (test-time augmentation).

    Args:
        embed: tensors like those given -> (N, D)
        tiles: tensors (N, ..., S, S), turned alike: pixels, and where they hold data
    """
    total = embed(*(dihedral(each, 0) for each in tiles))
    for way in range(1, DIHEDRAL_SIZE):  # one after the other: it takes no more memory than one
        total = total + embed(*(dihedral(each, way) for each in tiles))
    return total / DIHEDRAL_SIZE


def _movable(tiles: Tensor) -> Tensor:
    """Return the same bits in a type whose values torch can move: it cannot gather or turn uint16."""
    return tiles.view(torch.int16) if tiles.dtype == torch.uint16 else tiles
