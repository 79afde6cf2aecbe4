"""The image map's pixel grid, and the window of it that is in use."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from config import UserError
from dataProcessors.rasters.opening import GDAL_ERRORS, reason

LONLAT = "EPSG:4326"
EDGE_POINTS = 101  # points per edge of a lon/lat rectangle: its edges are curves in most other CRSs
SAME_PIXEL = 0.01  # pixels that two grids may differ by and still be the same
LATTICE = 51  # points along each axis of the grid, to find out what it covers


class Window(NamedTuple):
    """A part of the grid in whole pixels: columns x .. x + width, rows y .. y + height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Grid:
    """Pixel grid of the image map; every position is a pixel of it, every label map is brought onto it.

    Attributes:
        crs: CRS of the image, None where the file names none
        transform: affine from (column, row) to CRS coordinates
        width, height: pixels
    """

    crs: CRS | None
    transform: Affine
    width: int
    height: int

    @property
    def window(self) -> Window:
        """The whole grid as a window."""
        return Window(0, 0, self.width, self.height)

    def window_of(self, rect: tuple[float, float, float, float] | None) -> Window:
        """The pixels inside a lon/lat rectangle (west, south, east, north in EPSG:4326), the whole grid for None.

        Raises:
            UserError: the image has no CRS that leads to EPSG:4326, or the rectangle lies outside of it
        """
        if rect is None:
            return self.window
        if self.crs is None:
            raise UserError("'maps.rect' cannot be used: the image names no CRS. Leave it out to use the whole image.")
        bounds = self.lonlat_bounds()
        window = self._window_of_edges(rect, bounds)
        if min(window.width, window.height) < 1:
            covered = ", ".join(f"{v:.4f}" for v in bounds)
            raise UserError(f"The rectangle {list(rect)} lies outside the image. The image covers [{covered}].")
        return window

    def _window_of_edges(self, rect, bounds) -> Window:
        # far outside of the image its CRS may fold or end, so only the part of the rectangle around it is transformed
        margins = [(high - low) / (LATTICE - 1) for low, high in zip(bounds[:2], bounds[2:])]
        west, south = (max(v, low - margin) for v, low, margin in zip(rect[:2], bounds[:2], margins))
        east, north = (min(v, high + margin) for v, high, margin in zip(rect[2:], bounds[2:], margins))
        if west >= east or south >= north:
            return Window(0, 0, 0, 0)
        columns, rows = self.pixels_of(LONLAT, *_edges(west, max(south, -90), east, min(north, 90)))
        finite = np.isfinite(columns) & np.isfinite(rows)
        left, right = _rounded(columns[finite], self.width)
        top, bottom = _rounded(rows[finite], self.height)
        return Window(left, top, right - left, bottom - top)

    def pixels_of(self, crs, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows (fractions of pixels; inf where there is none) of points (N,), (N,) in any CRS.

        Where grid or points have no CRS, they are taken to have the same one.

        Raises:
            UserError: nothing leads from the one CRS to the other
        """
        if self.crs is not None and crs is not None:
            x, y = _transformed(crs, self.crs, x, y)
        return ~self.transform @ (np.asarray(x, float), np.asarray(y, float))

    def lonlat(self, points: np.ndarray) -> np.ndarray:
        """Longitude and latitude (N, 2) in EPSG:4326 of points (N, 2), column and row; NaN where there is none."""
        x, y = self.transform @ tuple(np.asarray(points, float).T)
        try:
            places = np.column_stack(_transformed(self.crs, LONLAT, x, y)) if self.crs else np.full((len(x), 2), np.nan)
        except UserError:  # a CRS that is nowhere on Earth
            places = np.full((len(x), 2), np.nan)
        return np.where(np.isfinite(places), places, np.nan)

    def lonlat_bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the grid in EPSG:4326, from points all over it, since its edges are curves."""
        columns, rows = np.meshgrid(np.linspace(0, self.width, LATTICE), np.linspace(0, self.height, LATTICE))
        x, y = self.transform @ (columns.ravel(), rows.ravel())
        lon, lat = (v[np.isfinite(v)] for v in _transformed(self.crs, LONLAT, x, y))
        if not len(lon):
            raise UserError(f"No pixel of the image has a place in {LONLAT}: its CRS or its transform is wrong.")
        return lon.min(), lat.min(), lon.max(), lat.max()

    def has_pixels_of(self, other: "Grid") -> bool:
        """Whether size and transform are the same, up to a small part of a pixel, whatever the CRSs."""
        corners = np.array([(0, 0), (self.width, 0), (0, self.height)], float).T
        there = np.array(~other.transform @ (self.transform @ tuple(corners)))
        same_size = (self.width, self.height) == (other.width, other.height)
        return same_size and bool(np.abs(there - corners).max() < SAME_PIXEL)


def _transformed(from_crs, to_crs, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    try:
        x, y = transform_points(from_crs, to_crs, x, y)
    except GDAL_ERRORS as error:
        raise UserError(f"Nothing leads from the CRS of one map to that of another ({reason(error)}).") from None
    return np.asarray(x), np.asarray(y)


def _edges(west: float, south: float, east: float, north: float) -> tuple[np.ndarray, np.ndarray]:
    along_x, along_y = np.linspace(west, east, EDGE_POINTS), np.linspace(south, north, EDGE_POINTS)
    x = np.concatenate([along_x, along_x, np.full_like(along_y, west), np.full_like(along_y, east)])
    y = np.concatenate([np.full_like(along_x, south), np.full_like(along_x, north), along_y, along_y])
    return x, y


def _rounded(values: np.ndarray, most: int) -> tuple[int, int]:
    """The smallest and the largest of the values as whole pixels 0 .. most."""
    low, high = (values.min(), values.max()) if len(values) else (0, 0)
    return int(np.clip(round(low), 0, most)), int(np.clip(round(high), 0, most))
