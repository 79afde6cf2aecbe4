"""Where tiles may lie: the training area, and the reserved cells whose tiles are scored."""

from collections.abc import Sequence

import numpy as np

from config import UserError
from dataProcessors.prepared.blocks import BLOCK
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.dates import at_random_dates, dates_of, without_dates
from dataProcessors.sampling.nodata_limit import NodataLimit, corners_near_data, whole_summary

CELL = 2  # side of a reserved cell, in tile sides
MAX_ROUNDS = 200  # rounds in a row without a valid position, before drawing fails


class SamplingError(UserError):
    """The requested tiles cannot be drawn from this map with these settings."""


def check_size(window: Window, size: int, spacing: int) -> None:
    """Raise a UserError if a window is too small for a training tile or for a reserved cell; see `Area`."""
    if min(window.width, window.height) < spacing * size:
        raise UserError(
            f"The part of the image in use has {window.width} x {window.height} pixels; tiles of {size} pixels "
            f"with a reserved cell every {spacing} tile sides need at least {spacing * size} along both axes. "
            "Choose a smaller 'image_size' or 'validation_spacing', or a larger part of the map."
        )


class Area:
    """The part of the grid in use, divided into training area and reserved cells.

    A reserved cell is a square of 2 x 2 tiles, one every `spacing` tile sides along both axes. No tile of the training
    area has a pixel in one; only the four tiles of each cell that lies in the window may be scored.

    A map of several dates has a tile of each date at a position, and a tile that lacks data at its own date is not
    drawn, whatever the others hold. Positions are as in dataProcessors.sampling.dates: those of tiles that are drawn
    have a date then, and a position without one means the first date.

    Args:
        window: the part of the grid in use
        size: side of a tile in pixels
        spacing: tile sides from one reserved cell to the next, at least 4
        limit: which tiles have enough data, of the first date; None: every pixel has data
        further: the same of every further date
    Raises:
        UserError: the window is too small for a training tile or for a reserved cell
    """

    def __init__(
        self, window: Window, size: int, spacing: int, limit: NodataLimit | None = None,
        further: Sequence[NodataLimit] = (),
    ):  # fmt: skip
        self.window, self.size, self.period = window, size, spacing * size
        self._limits = [NodataLimit(whole_summary(window), size) if limit is None else limit, *further]
        self._low = np.array(window[:2], np.int64)
        self._high = self._low + window[2:] - size  # the last position inside
        check_size(window, size, spacing)
        self._cell_origin = self._low + (self.period - CELL * size) // 2
        self._corners = corners_near_data(self._limits)

    @property
    def dates(self) -> int:
        """Number of dates."""
        return len(self._limits)

    @property
    def coordinates(self) -> int:
        """Number of coordinates of the positions that are drawn: 2, or 3 with a date."""
        return 3 if self.dates > 1 else 2

    def of_first_date(self) -> "Area":
        """Return the same area with the tiles of the first date alone."""
        return Area(self.window, self.size, self.period // self.size, self._limits[0])

    def accepts(self, positions: np.ndarray) -> np.ndarray:
        """Return which positions are training tiles, (N,): in the window, off the reserved cells, with enough data."""
        accepted = self.fits(positions)
        accepted[accepted] = self.has_data(positions[accepted])
        return accepted

    def fits(self, positions: np.ndarray) -> np.ndarray:
        """Return which positions lie in the window and outside the reserved cells, (N,), without looking at pixels."""
        return self.inside(positions) & ~self.touches_reserved(positions)

    def inside(self, positions: np.ndarray) -> np.ndarray:
        """Return which tiles lie completely in the window: (N,) bool."""
        xy = without_dates(positions)
        return np.all((xy >= self._low) & (xy <= self._high), axis=-1)

    def touches_reserved(self, positions: np.ndarray) -> np.ndarray:
        """Return which tiles have a pixel in a reserved cell: (N,) bool."""
        corners = without_dates(positions)
        offset = (corners - self._cell_origin) % self.period  # of the tile's corner from a cell's, per axis
        return np.all((offset < CELL * self.size) | (offset > self.period - self.size), axis=-1)

    def has_data(self, positions: np.ndarray) -> np.ndarray:
        """Return which tiles, all inside the window, have enough data at their date: (N,) bool."""
        accepted, dates, xy = np.zeros(len(positions), bool), dates_of(positions), without_dates(positions)
        for number, limit in enumerate(self._limits):
            own = dates == number
            accepted[own] = limit.accepts(xy[own])
        return accepted

    def at_random_dates(self, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return positions at dates that are drawn."""
        return at_random_dates(positions, self.dates, rng)

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n positions (n, coordinates) int64, uniformly over the training tiles of all dates."""
        found, empty_rounds = np.empty((0, self.coordinates), np.int64), 0
        while len(found) < n and empty_rounds < MAX_ROUNDS:
            wanted = max(n - len(found), empty_rounds)  # few more than needed: this may read pixels
            proposed = self._anywhere(2 * wanted + 16, rng)
            fitting = proposed[self.fits(proposed)][:wanted]
            accepted = fitting[self.has_data(fitting)]
            found = np.concatenate([found, accepted])
            empty_rounds = 0 if len(accepted) else empty_rounds + 1
        if len(found) >= n:
            return found[:n]
        raise SamplingError(
            f"No position was found for a training tile of {self.size} pixels outside the reserved cells with at most "
            f"{self._limits[0].max_nodata:.0%} nodata pixels. Choose another 'maps.rect', a smaller 'image_size', a "
            "larger 'validation_spacing', or a larger 'max_nodata'."
        )

    def _anywhere(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw positions uniformly over the blocks near data, at any date; some may not be valid."""
        if not len(self._corners):
            raise SamplingError("The part of the image in use has no pixel with data. Choose another 'maps.rect'.")
        middles = self._corners[rng.integers(0, len(self._corners), n)] + rng.integers(0, BLOCK, (n, 2))
        # a tile belongs to the block of its middle pixel, so to one block only
        return self.at_random_dates(middles - self.size // 2, rng)

    def reserved_cells(self) -> np.ndarray:
        """Return the upper-left corners (M, 2) of the reserved cells that lie completely in the window."""
        sides = self._low + self.window[2:] - CELL * self.size - self._cell_origin  # to the last possible corner
        columns, rows = (np.arange(0, side + 1, self.period) for side in sides)
        return self._cell_origin + np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)

    def scored_tiles(self) -> np.ndarray:
        """Return the positions (4 M', 2) of the reserved cells' tiles with enough data; no two of them overlap.

        They are those of the first date.
        """
        corners = np.array([(x, y) for y in range(CELL) for x in range(CELL)]) * self.size
        positions = (self.reserved_cells()[:, None] + corners).reshape(-1, 2)
        return positions[self.has_data(positions)]
