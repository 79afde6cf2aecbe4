"""The most similar tiles of an embedded map that do not overlap: candidates in their order, then one by one."""

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from config import UserError
from dataProcessors.imageSampler import chebyshev
from inference.tile_grid import TileGrid

log = logging.getLogger(__name__)
FACTOR = 8  # candidates at first, for each tile that is wanted; and how many times as many, if these are too few


class Ranked(NamedTuple):
    """Tiles from the most similar one on, equally similar ones by their index.

    Attributes:
        tiles: (n,) int64
        similarity: (n,) float32
        is_all: whether there are no further tiles with an embedding
    """

    tiles: np.ndarray
    similarity: np.ndarray
    is_all: bool


Candidates = Callable[[int], Ranked]  # the n most similar tiles of all; more, where the last ones are equally similar


def exact_candidates(similarity: np.ndarray) -> Candidates:
    """Return the candidates by the similarity (T,) of all tiles, NaN for those without an embedding."""
    known = int(np.isfinite(similarity).sum())
    comparable = np.where(np.isfinite(similarity), similarity, -np.inf)

    def candidates(n: int) -> Ranked:
        if n >= known:
            tiles = np.flatnonzero(np.isfinite(similarity))
        else:
            lowest = np.partition(comparable, len(comparable) - n)[len(comparable) - n]
            tiles = np.flatnonzero(comparable >= lowest)  # with all that are as similar as the last one
        return ranked(tiles, similarity[tiles], n >= known)

    return candidates


def ranked(tiles: np.ndarray, similarity: np.ndarray, is_all: bool) -> Ranked:
    """Return tiles (n,), all different, in their order."""
    order = np.lexsort([tiles, -similarity])
    return Ranked(tiles[order], similarity[order], is_all)


def best_apart(candidates: Candidates, k: int, grid: TileGrid, examples: np.ndarray) -> Ranked:
    """Return the k most similar tiles that overlap neither one another nor an example.

    Each is the most similar one of all tiles that overlap none of those before it: the choice is that from all tiles
    in their order, since it depends only on those that come before the last one that is chosen.

    Args:
        candidates: gives tiles in their order
        k: number of tiles, at least 1
        grid: where the tiles lie
        examples: (E, 2) positions of tiles
    Raises:
        UserError: the map holds fewer such tiles
    """
    wanted = FACTOR * k
    while True:
        found = candidates(wanted)
        chosen = choose_apart(grid.positions(found.tiles), k, grid.size, examples)
        if len(chosen) == k:
            return Ranked(found.tiles[chosen], found.similarity[chosen], found.is_all)
        if found.is_all:
            raise UserError(
                f"{k} tiles are asked for, and only {len(chosen)} tiles of the embedded map, the most similar ones "
                f"first, have enough data and overlap neither one another nor an example. Ask for at most {len(chosen)}"
                " of them, or embed a larger part of the map."
            )
        wanted *= FACTOR


def choose_apart(positions: np.ndarray, k: int, size: int, taken: np.ndarray) -> np.ndarray:
    """Return the indices, at most k, of the first tiles that overlap neither one before them nor one of `taken`.

    Args:
        positions: (n, 2) of the tiles, in their order
        k: how many are wanted
        size: side of a tile in pixels
        taken: (E, 2) positions of further tiles
    """
    free = np.ones(len(positions), bool)
    for position in taken:
        free &= chebyshev(positions, position) >= size
    chosen: list[int] = []
    while len(chosen) < k and free.any():
        chosen.append(int(free.argmax()))
        free &= chebyshev(positions, positions[chosen[-1]]) >= size
    return np.array(chosen, np.int64)
