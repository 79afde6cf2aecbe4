"""Blocks of 128 x 128 pixels: what of a window they cover, and what of a map is counted in each.

Not rows, because where a map is larger than memory a tile then touches four places of a file instead of one per row.
"""

from dataclasses import dataclass

import numpy as np

from dataProcessors.rasters.grid import Window

BLOCK = 128  # pixels
OVERVIEW_SIDE = 1500  # pixels; the picture of a map on which sampled tiles are drawn is hardly larger


@dataclass(frozen=True)
class Summary:
    """What samplers know of a map: counts per block, block (0, 0) starting at `window`'s upper-left pixel.

    Attributes:
        window: the prepared part of the grid
        counts: (K, rows, columns) uint16, pixels of each block: with data (K = 1, image) or of each class (label map)
        exact: False where the counts come from a thinned-out reading
    """

    window: Window
    counts: np.ndarray
    exact: bool = True


def overview_step(window: Window) -> int:
    """Every how-manieth pixel of a window its overview holds: a power of two, so that blocks hold whole steps."""
    step = 1
    while step < BLOCK and max(window.width, window.height) / step > OVERVIEW_SIDE:
        step *= 2
    return step


def block_shape(window: Window) -> tuple[int, int]:
    """Rows and columns of blocks that cover a window."""
    return -(-window.height // BLOCK), -(-window.width // BLOCK)


def block_pixels(window: Window) -> np.ndarray:
    """Pixels of a window in each of its blocks, (rows, columns): fewer in those at the right and lower edge."""
    heights = np.minimum(window.height - np.arange(0, window.height, BLOCK), BLOCK)
    widths = np.minimum(window.width - np.arange(0, window.width, BLOCK), BLOCK)
    return heights[:, None] * widths


def count_valid(pixels: np.ndarray, fill, side: int = BLOCK) -> np.ndarray:
    """Pixels with data of each block of side x side pixels: (C, h, w) whole blocks -> (1, rows, columns)."""
    if fill is None:
        return np.full((1, pixels.shape[1] // side, pixels.shape[2] // side), side * side, np.uint16)
    return _blocked(~nodata_mask(pixels, fill), side).sum(-1, dtype=np.uint16)[None]


def nodata_mask(pixels: np.ndarray, fill) -> np.ndarray:
    """Where no data is: (..., C, h, w) -> (..., h, w) bool; all bands hold `fill`, or any is NaN."""
    if fill is None:
        return np.zeros(pixels.shape[:-3] + pixels.shape[-2:], bool)
    return np.isnan(pixels).any(-3) if fill != fill else (pixels == fill).all(-3)


def count_classes(classes: np.ndarray, number: int, side: int = BLOCK) -> np.ndarray:
    """Pixels of each class in each block of side x side pixels: (1, h, w) whole blocks -> (K, rows, columns)."""
    rows, columns = classes.shape[1] // side, classes.shape[2] // side
    counts = np.empty((number, rows, columns), np.uint16)
    for row, stripe in enumerate(np.split(classes[0], rows)):  # small enough for the processor's own memory
        for index in range(number):
            of_columns = np.add.reduce((stripe == index).view(np.uint8), 0, dtype=np.uint8)  # side is below 256
            counts[index, row] = of_columns.reshape(columns, side).sum(1, dtype=np.uint16)
    return counts


def _blocked(plane: np.ndarray, side: int) -> np.ndarray:
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    return plane.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows, columns, side * side)


def padded(pixels: np.ndarray, height: int, width: int, fill) -> np.ndarray:
    """Pixels (C, h, w) filled up at the right and below to (C, height, width), with 0 where there is no fill value."""
    whole = np.full((len(pixels), height, width), 0 if fill is None else fill, pixels.dtype)
    whole[:, : pixels.shape[1], : pixels.shape[2]] = pixels
    return whole
