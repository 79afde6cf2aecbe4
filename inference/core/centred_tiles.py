"""The tiles around places that are given by longitude and latitude."""

from typing import NamedTuple

import numpy as np

from config import UserError
from dataProcessors.rasters.grid import EXTENT_POINTS, Grid, Window, nearest_turn
from dataProcessors.rasters.opening import LONLAT


class CentredTiles(NamedTuple):
    """The tiles around places.

    Attributes:
        positions: (N, 2) int64, upper-left pixels of the tiles; those of places outside mean nothing
        inside: (N,) bool, which places lie in the part of the map in use
        moved: (N,) bool, which tiles were moved, as they reached beyond it
    """

    positions: np.ndarray
    inside: np.ndarray
    moved: np.ndarray


def tiles_around(grid: Grid, window: Window, lonlat: np.ndarray, size: int) -> CentredTiles:
    """Return the tiles around places: each has the place in its middle, up to half a pixel.

    A tile that reaches beyond the window is moved inside it.

    Args:
        grid: of the map
        window: the part of it in use
        lonlat: (N, 2) longitude, latitude in EPSG:4326; a place that is not finite lies outside
        size: side of a tile in pixels
    Raises:
        UserError: the map has no CRS, or one without places on Earth, or the window is smaller than a tile
    """
    if grid.crs is None:
        raise UserError("The map declares no CRS, so no longitude and latitude can be found on it. Give it one.")
    if min(window.width, window.height) < size:
        raise UserError(
            f"The part of the map in use has {window.width} x {window.height} pixels, less than a tile of "
            f"{size} x {size}. Choose a larger 'maps.rect', or another 'maps.image'."
        )
    pixels = _pixels(grid, window, np.asarray(lonlat, float))
    first, sides = np.array(window[:2], np.int64), np.array(window[2:], np.int64)
    inside = np.all((pixels >= first) & (pixels < first + sides), 1)
    centred = np.rint(np.where(inside[:, None], pixels, first) - size / 2).astype(np.int64)
    positions = np.clip(centred, first, first + sides - size)
    return CentredTiles(positions, inside, inside & np.any(positions != centred, 1))


def _pixels(grid: Grid, window: Window, lonlat: np.ndarray) -> np.ndarray:
    """Return column and row (N, 2) of places; NaN far outside the window.

    There the map's CRS may be undefined, and one such point makes the transformation of all fail.
    """
    bounds = grid.part(window).lonlat_bounds()
    low, high = np.array(bounds).reshape(2, 2)
    lonlat = np.column_stack([nearest_turn(lonlat[:, 0], bounds), lonlat[:, 1]])
    margin = (high - low) / (EXTENT_POINTS - 1)  # the bounds are those of points all over the window
    near = np.all((lonlat >= low - margin) & (lonlat <= high + margin), 1)
    pixels = np.full(lonlat.shape, np.nan)
    pixels[near] = np.stack(grid.pixels_of(LONLAT, *lonlat[near].T), -1)
    return pixels
