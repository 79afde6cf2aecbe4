"""The most similar tiles of an embedded map that do not overlap: candidates in their order, then one by one."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from config import UserError
from inference.core.tile_grid import TileGrid

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
        UserError: there are fewer such tiles
    """
    wanted = FACTOR * k
    while True:
        found = candidates(wanted)
        chosen = choose_apart(found.tiles, k, grid, examples)
        if len(chosen) == k:
            return Ranked(found.tiles[chosen], found.similarity[chosen], found.is_all)
        if found.is_all:
            raise UserError(
                f"{k} tiles are asked for, and the embedded map gives {len(chosen)}: all others overlap those, or an "
                f"example, or have not enough data. Ask for at most {len(chosen)} (-k), or embed a larger map."
            )
        wanted *= FACTOR


def choose_apart(tiles: np.ndarray, k: int, grid: TileGrid, examples: np.ndarray) -> np.ndarray:
    """Return the indices, at most k, of the first of tiles (n,) that overlap neither one before them nor an example.

    Two tiles overlap if their positions differ by less than a tile's side along both axes. examples: (E, 2) positions.
    """
    blocked = np.zeros((grid.rows, grid.columns), bool)
    for position in examples:
        _block(blocked, grid, position)
    is_blocked = blocked.reshape(-1)  # the same memory
    chosen: list[int] = []
    for index, tile in enumerate(tiles.tolist()):
        if not is_blocked[tile]:
            chosen.append(index)
            if len(chosen) == k:
                break
            _block(blocked, grid, grid.positions(tile))
    return np.array(chosen, np.int64)


def _block(blocked: np.ndarray, grid: TileGrid, position: np.ndarray) -> None:
    """Set the tiles of a grid, in (rows, columns) bool, that overlap a tile at a position (2,)."""
    offset = np.asarray(position) - grid.window[:2]
    first = np.maximum(-(-(offset - grid.size + 1) // grid.stride), 0)
    last = np.maximum((offset + grid.size - 1) // grid.stride + 1, 0)
    blocked[first[1] : last[1], first[0] : last[0]] = True
