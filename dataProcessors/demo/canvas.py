"""Tools of the painters: the pixels of one cover, brick patterns, and ways to combine colours."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from dataProcessors.demo.noise import Sheets, hash32, uniform

Length = np.ndarray | np.floating  # pixels: one for each pixel, or one for all
Colours = Sequence[tuple[int, int, int]]


class Cells(NamedTuple):
    """Cells of a brick pattern: the hash of each pixel's cell, and distances to the cell's first corner in pixels."""

    hash: np.ndarray
    along: np.ndarray
    across: np.ndarray


def cells(u: np.ndarray, v: np.ndarray, length: Length, width: Length, salt: int | np.ndarray) -> Cells:
    """Return bricks `length` long (along u) and `width` wide (along v), every row shifted at random."""
    row = np.floor(v / width)
    start = u + uniform(hash32(row, salt), 3) * length
    column = np.floor(start / length)
    return Cells(hash32(row, column, salt), start - column * length, v - row * width)


class HasSheets(Protocol):
    """The part of scene.Landscape that painters need."""

    @property
    def sheets(self) -> Sheets:
        """The texture sheets."""


class PixelBlock(Protocol):
    """The part of scene.Block that painters need; arrays are (height, width)."""

    x0: int
    y0: int
    width: int
    u: np.ndarray
    v: np.ndarray
    border: np.ndarray
    coast: np.ndarray
    patch: np.ndarray
    parcel: np.ndarray

    @property
    def landscape(self) -> HasSheets:
        """The whole landscape."""


class Pixels:
    """The pixels of one cover in a block, with the values that painters use, each (n,)."""

    def __init__(self, block: PixelBlock, at: np.ndarray):
        row, column = np.divmod(at.astype(np.int32), np.int32(block.width))
        self.x, self.y = column + np.int32(block.x0), row + np.int32(block.y0)
        self.u, self.v, self.border, self.coast = (a.ravel()[at] for a in (block.u, block.v, block.border, block.coast))
        self.patch, self.parcel = block.patch.ravel()[at], block.parcel.ravel()[at]
        self.sheets = block.landscape.sheets
        self.contrast = 0.6 + 0.9 * self.of_patch(11)

    def of_patch(self, salt: int) -> np.ndarray:
        """Return a number in [0, 1) for each patch (about 1 km across)."""
        return uniform(self.patch, salt)

    def of_parcel(self, salt: int) -> np.ndarray:
        """Return a number in [0, 1) for each parcel (a field)."""
        return uniform(self.parcel, salt)

    def noise(self, name: str, shift: int = 0) -> np.ndarray:
        """Return a texture sheet's values, mean 0 and standard deviation 1; each patch uses its own part of it."""
        own = (self.patch >> np.uint32(9)).view(np.int32)
        x, y = self.x + own, self.y + (own >> np.int32(10))
        return self.sheets.at(name, x + np.int32(shift), y + np.int32(7 * shift))

    def wide_noise(self, name: str, shift: int = 0) -> np.ndarray:
        """Return values of a texture sheet that are continuous across patches."""
        return self.sheets.at(name, self.x + np.int32(shift), self.y + np.int32(7 * shift))

    def cells(self, length: float, width: float, salt: int, bend: float = 0.0) -> Cells:
        """Return a brick pattern along the district's field strips, its lines bent by up to about `bend` pixels."""
        u, v = self.u, self.v
        if bend:
            u, v = u + np.float32(bend) * self.noise("w128", 9), v + np.float32(bend) * self.noise("w128", 77)
        return cells(u, v, np.float32(length), np.float32(width), salt)


def ramp(colours: Colours, t: np.ndarray) -> np.ndarray:
    """Return (n, 3) colours at t in [0, 1] along a list of colours, in 1024 steps."""
    stops = np.linspace(0, 1, len(colours))
    table = np.stack([np.interp(np.linspace(0, 1, 1024), stops, band) for band in zip(*colours)], 1).astype(np.float32)
    return np.take(table, np.clip(t * np.float32(1023), 0, 1023).astype(np.intp), axis=0)


def choose(colours: Colours, t: np.ndarray) -> np.ndarray:
    """Return (n, 3) colours: one of a list of colours for each t in [0, 1)."""
    return np.take(np.asarray(colours, np.float32), (t * np.float32(len(colours))).astype(np.intp), axis=0)


def blend(base: np.ndarray, colour: ArrayLike, share: ArrayLike) -> np.ndarray:
    """Blend a colour (or (n, 3) colours) over the base; share (n,) in [0, 1] or bool is the opacity."""
    opacity = np.asarray(share, np.float32)[:, None]
    return base + (np.asarray(colour, np.float32) - base) * opacity


def shade(base: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Brighten or darken: change (n,) 0.1 is 10 % brighter."""
    return base * np.maximum(1 + np.asarray(change, np.float32), 0.2)[:, None]


def ridge(noise: np.ndarray, width: float) -> np.ndarray:
    """Return winding lines where smooth noise crosses 0: 1 on a line to 0 beside it."""
    return np.clip(1.5 - np.abs(noise) / np.float32(width), 0, 1)


def edge(cell: Cells, length: float, width: float) -> np.ndarray:
    """Return the distance in pixels to the nearest border of a brick."""
    along = np.minimum(cell.along, np.float32(length) - cell.along)
    return np.minimum(along, np.minimum(cell.across, np.float32(width) - cell.across))


def fade(distance: np.ndarray, width: float) -> np.ndarray:
    """Return 1 at a border, falling to 0 at `width` pixels from it."""
    return np.clip(1 - distance / np.float32(width), 0, 1)


GRASS = [(60, 80, 46), (74, 92, 52), (92, 104, 62), (112, 113, 74), (130, 123, 86)]
SOIL = [(98, 80, 64), (126, 106, 84), (150, 130, 104), (176, 158, 130)]
TREES = [(26, 46, 28), (34, 58, 32), (44, 68, 36), (56, 78, 42)]
