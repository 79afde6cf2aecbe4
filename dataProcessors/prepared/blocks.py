"""Blocks of 128 x 128 pixels: how they cover a window, and what is counted in each block.

Blocks instead of rows: where a map is larger than memory, a tile then touches four places of a file instead of one per
row.
"""

from dataclasses import dataclass

import numpy as np

from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.nodata import valid_mask

BLOCK = 128  # pixels
OVERVIEW_SIDE = 1500  # pixels; the figure of a map with the sampled tiles is hardly larger


@dataclass(frozen=True)
class Summary:
    """Counts per block of a map, for the samplers; block (0, 0) starts at `window`'s upper-left pixel.

    Attributes:
        window: the prepared part of the grid
        counts: (K, rows, columns) uint16, pixels of each block: with data (K = 1, image) or of each class (label map)
        exact: False where the counts are estimated from decimated pixels
    """

    window: Window
    counts: np.ndarray
    exact: bool = True


def overview_step(window: Window) -> int:
    """Return the decimation step of a window's overview: a power of two, so that a block is a multiple of it."""
    step = 1
    while step < BLOCK and max(window.width, window.height) / step > OVERVIEW_SIDE:
        step *= 2
    return step


def block_shape(window: Window) -> tuple[int, int]:
    """Return the rows and columns of blocks that cover a window."""
    return -(-window.height // BLOCK), -(-window.width // BLOCK)


def block_pixels(window: Window, step: int = 1) -> np.ndarray:
    """Return the number of pixels of a window in each of its blocks, (rows, columns); edge blocks have fewer.

    With a step, only every step-th pixel along both axes is counted.
    """
    heights = -(-np.minimum(window.height - np.arange(0, window.height, BLOCK), BLOCK) // step)
    widths = -(-np.minimum(window.width - np.arange(0, window.width, BLOCK), BLOCK) // step)
    return heights[:, None] * widths


def count_valid(pixels: np.ndarray, has_validity: bool, side: int = BLOCK) -> np.ndarray:
    """Count the pixels with data in each block of side x side pixels: (C, h, w) whole blocks -> (1, rows, columns)."""
    if not has_validity and pixels.dtype.kind != "f":
        return np.full((1, pixels.shape[1] // side, pixels.shape[2] // side), side * side, np.uint16)
    return _blocked(valid_mask(pixels, has_validity), side).sum(-1, dtype=np.uint16)[None]


def count_classes(classes: np.ndarray, number: int, side: int = BLOCK) -> np.ndarray:
    """Count the pixels of each class in each block of side x side pixels: (1, h, w) -> (K, rows, columns)."""
    rows, columns = classes.shape[1] // side, classes.shape[2] // side
    counts = np.empty((number, rows, columns), np.uint16)
    for row, stripe in enumerate(np.split(classes[0], rows)):  # small enough for the processor's cache
        for index in range(number):
            of_columns = np.add.reduce((stripe == index).view(np.uint8), 0, dtype=np.uint8)  # side is below 256
            counts[index, row] = of_columns.reshape(columns, side).sum(1, dtype=np.uint16)
    return counts


def _blocked(plane: np.ndarray, side: int) -> np.ndarray:
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    return plane.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows, columns, side * side)


def pad(pixels: np.ndarray, height: int, width: int, value: float) -> np.ndarray:
    """Pad pixels (C, h, w) at the right and bottom to (C, height, width) with a value."""
    whole = np.full((len(pixels), height, width), value, pixels.dtype)
    whole[:, : pixels.shape[1], : pixels.shape[2]] = pixels
    return whole
