"""Augmentation of training tiles."""

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
    # torch can neither flip nor write uint16 by index, but moving values about needs only their bits
    values = tiles.view(torch.int16) if tiles.dtype == torch.uint16 else tiles
    turned = torch.empty_like(values)
    ways = torch.from_numpy(rng.integers(DIHEDRAL_SIZE, size=len(tiles)))
    for way in range(DIHEDRAL_SIZE):
        rows = (ways == way).nonzero()[:, 0].to(tiles.device)
        turned[rows] = dihedral(values[rows], way)
    return turned.view(tiles.dtype)


def dihedral(tiles: Tensor, way: int) -> Tensor:
    """Tiles (..., S, S) turned left by `way % 4` right angles, then mirrored left to right where `way` is >= 4."""
    turned = torch.rot90(tiles, way % 4, (-2, -1))
    return turned.flip(-1) if way >= 4 else turned
