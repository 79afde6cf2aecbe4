"""Augmentation of training tiles."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

DIHEDRAL_SIZE = 8  # a square's symmetries: four rotations, each as it is or mirrored


def random_dihedral(tiles: Tensor, rng: np.random.Generator) -> Tensor:
    """Turn or mirror each tile in one of the eight ways, each as likely, drawn for every tile on its own.

    Land looks the same from any side, so none of the eight changes what a tile shows.

    Args:
        tiles: (N, C, S, S) of any type, on any device
        rng: draws the N ways
    Returns:
        (N, C, S, S), a new tensor of the same type
    Raises:
        ValueError: the tiles are not square
    """
    if tiles.ndim != 4 or tiles.shape[2] != tiles.shape[3]:
        raise ValueError(f"random_dihedral needs square tiles (N, C, S, S). Got {tuple(tiles.shape)} instead.")
    ways = torch.from_numpy(rng.integers(DIHEDRAL_SIZE, size=len(tiles)))
    places = _places(tiles.shape[-1], tiles.device)[ways.to(tiles.device, non_blocking=True)]  # (N, S * S)
    # torch cannot gather uint16, but moving values about needs only their bits
    pixels = (tiles.view(torch.int16) if tiles.dtype == torch.uint16 else tiles).flatten(2)  # (N, C, S * S)
    if tiles.is_contiguous(memory_format=torch.channels_last):  # as the result then is
        turned = pixels.transpose(1, 2).gather(1, places[:, :, None].expand(-1, -1, tiles.shape[1])).transpose(1, 2)
    else:
        turned = pixels.gather(2, places[:, None].expand(-1, tiles.shape[1], -1))
    return turned.unflatten(2, tiles.shape[2:]).view(tiles.dtype)


@cache
def _places(side: int, device: torch.device) -> Tensor:
    """For each way, where each pixel of a turned tile comes from: (DIHEDRAL_SIZE, side * side) indices."""
    own = torch.arange(side * side).view(side, side)
    return torch.stack([dihedral(own, way).flatten() for way in range(DIHEDRAL_SIZE)]).to(device)


def dihedral(tiles: Tensor, way: int) -> Tensor:
    """Tiles (..., S, S) turned left by `way % 4` right angles, then mirrored left to right where `way` is >= 4."""
    turned = torch.rot90(tiles, way % 4, (-2, -1))
    return turned.flip(-1) if way >= 4 else turned
