"""The regular grid of tiles over a map: where each tile lies, and where its pixel lies in a raster of one a tile."""

from dataclasses import dataclass

import numpy as np
from affine import Affine

from config import UserError
from dataProcessors.rasters.grid import Window


@dataclass(frozen=True)
class TileGrid:
    """All tiles at multiples of a stride that lie completely in a window, row by row from its upper-left pixel.

    Pixels right of the last column, or below the last row, that fill no whole stride belong to no tile of the grid.

    Attributes:
        window: the part of the map in use
        size: side of a tile in pixels
        stride: pixels from one tile to the next, along both axes
    Raises:
        UserError: the window is smaller than a tile, or the stride is not positive
    """

    window: Window
    size: int
    stride: int

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise UserError(f"The stride is {self.stride} px. It must be at least 1; a usual one is {self.size}.")
        if min(self.window.width, self.window.height) < self.size:
            raise UserError(
                f"The part of the map in use has {self.window.width} x {self.window.height} pixels, less than a tile "
                f"of {self.size} x {self.size}. Choose a larger 'maps.rect', or another 'maps.image'."
            )

    @property
    def columns(self) -> int:
        """Number of tiles in a row."""
        return (self.window.width - self.size) // self.stride + 1

    @property
    def rows(self) -> int:
        """Number of rows of tiles."""
        return (self.window.height - self.size) // self.stride + 1

    def __len__(self) -> int:
        return self.rows * self.columns

    def positions(self, tiles: np.ndarray) -> np.ndarray:
        """Return the upper-left pixels (n, 2) int64, column and row on the map, of tiles (n,), numbered row by row."""
        row, column = np.divmod(np.asarray(tiles, np.int64), self.columns)
        return np.stack([self.window.x + column * self.stride, self.window.y + row * self.stride], -1)

    def uncovered(self) -> tuple[int, int]:
        """Return how many pixels at the right and at the lower edge of the window belong to no tile."""
        covered = ((number - 1) * self.stride + self.size for number in (self.columns, self.rows))
        right, bottom = (side - each for side, each in zip(self.window[2:], covered))
        return right, bottom

    def raster_transform(self, transform: Affine) -> Affine:
        """Return the transform of a raster with one pixel a tile: a square of the stride around the tile's centre.

        transform: (column, row) on the map -> coordinates
        """
        margin = (self.size - self.stride) / 2
        corner = Affine.translation(self.window.x + margin, self.window.y + margin)
        return transform @ corner @ Affine.scale(self.stride)
