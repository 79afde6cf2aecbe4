"""The image map's pixel grid, and the window of it that is in use."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from config import UserError

LONLAT = "EPSG:4326"
EDGE_POINTS = 101  # points per edge of a lon/lat rectangle: its edges are curves in most other CRSs


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
            UserError: the image has no CRS, or the rectangle lies outside of it
        """
        if rect is None:
            return self.window
        if self.crs is None:
            raise UserError("'maps.rect' cannot be used: the image names no CRS. Leave it out to use the whole image.")
        columns, rows = self._pixels_of_edges(rect)
        left, right = (int(np.clip(round(v), 0, self.width)) for v in (columns.min(), columns.max()))
        top, bottom = (int(np.clip(round(v), 0, self.height)) for v in (rows.min(), rows.max()))
        if left >= right or top >= bottom:
            bounds = ", ".join(f"{v:.4f}" for v in self.lonlat_bounds())
            raise UserError(f"The rectangle {list(rect)} lies outside the image. The image covers [{bounds}].")
        return Window(left, top, right - left, bottom - top)

    def _pixels_of_edges(self, rect) -> tuple[np.ndarray, np.ndarray]:
        west, south, east, north = rect
        along_x, along_y = np.linspace(west, east, EDGE_POINTS), np.linspace(south, north, EDGE_POINTS)
        lon = np.concatenate([along_x, along_x, np.full_like(along_y, west), np.full_like(along_y, east)])
        lat = np.concatenate([np.full_like(along_x, south), np.full_like(along_x, north), along_y, along_y])
        x, y = (np.asarray(v) for v in transform_points(LONLAT, self.crs, lon, lat))
        finite = np.isfinite(x) & np.isfinite(y)
        if not finite.any():
            raise UserError(f"The rectangle {list(rect)} cannot be expressed in the image's CRS.")
        return ~self.transform * (x[finite], y[finite])

    def lonlat(self, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude (EPSG:4326) of pixel coordinates, each (N,)."""
        x, y = self.transform * (np.asarray(columns, float), np.asarray(rows, float))
        lon, lat = transform_points(self.crs, LONLAT, x, y)
        return np.asarray(lon), np.asarray(lat)

    def lonlat_bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the four corners in EPSG:4326."""
        lon, lat = self.lonlat(np.array([0, self.width, 0, self.width]), np.array([0, 0, self.height, self.height]))
        return lon.min(), lat.min(), lon.max(), lat.max()
