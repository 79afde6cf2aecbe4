"""The pixel grid of the image map, and windows of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from config import UserError
from dataProcessors.rasters.opening import GDAL_ERRORS, LONLAT, error_text

EDGE_POINTS = 101  # points per edge of a lon/lat rectangle: in limit other CRSs its edges are curves
PIXEL_TOLERANCE = 0.01  # largest difference, in pixels, between two grids that count as equal
EXTENT_POINTS = 51  # points along each axis of a grid that are transformed to find its extent
TURN = 360  # degrees of longitude around the Earth

Bounds = tuple[float, float, float, float]  # west, south, east, north in EPSG:4326


class Window(NamedTuple):
    """A part of the grid in whole pixels: columns x .. x + width, rows y .. y + height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Grid:
    """Pixel grid of the image map; all positions refer to it, and label maps are warped to it.

    Attributes:
        crs: CRS of the image, None where the file declares none
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

    def part(self, window: Window) -> "Grid":
        """Return the pixel grid of a part of this one."""
        corner = Affine.translation(window.x, window.y)
        return Grid(self.crs, self.transform @ corner, window.width, window.height)

    def window_of(self, rect: Bounds | None) -> Window:
        """Return the pixels inside a rectangle (west, south, east, north in EPSG:4326); the whole grid for None.

        Raises:
            UserError: the image's CRS cannot be transformed to EPSG:4326, or the rectangle lies outside the image, or
                at both ends of it
        """
        if rect is None:
            return self.window
        if self.crs is None:
            raise UserError("'maps.rect' cannot be used: the image declares no CRS. Remove it to use the whole image.")
        bounds = self.lonlat_bounds()
        covered = ", ".join(f"{v:.4f}" for v in bounds)
        found = [self._window_of_edges(each, bounds) for each in _turned(rect, bounds)]
        found = [window for window in found if min(window.width, window.height) > 0]
        if not found:
            raise UserError(f"'maps.rect' {list(rect)} lies outside the image. The image covers [{covered}].")
        window = _around(found)
        if window.width > sum(each.width for each in found) + 1:
            raise UserError(
                f"'maps.rect' {list(rect)} lies at both ends of the image, which covers [{covered}]. Choose one."
            )
        return window

    def _window_of_edges(self, rect: Bounds, bounds: Bounds) -> Window:
        # far outside the image its CRS may be undefined, so only the part of the rectangle around it is transformed
        margins = [(high - low) / (EXTENT_POINTS - 1) for low, high in zip(bounds[:2], bounds[2:])]
        west, south = (max(v, low - margin) for v, low, margin in zip(rect[:2], bounds[:2], margins))
        east, north = (min(v, high + margin) for v, high, margin in zip(rect[2:], bounds[2:], margins))
        if west >= east or south >= north:
            return Window(0, 0, 0, 0)
        columns, rows = self.pixels_of(LONLAT, *_edges(west, max(south, -90), east, min(north, 90)))
        finite = np.isfinite(columns) & np.isfinite(rows)
        left, right = _rounded(columns[finite], self.width)
        top, bottom = _rounded(rows[finite], self.height)
        return Window(left, top, right - left, bottom - top)

    def pixels_of(self, crs: CRS | str | None, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Transform points (N,), (N,) of any CRS to columns and rows (fractions of pixels; not finite where undefined).

        If the grid or the points have no CRS, both are assumed to have the same one.

        Raises:
            UserError: there is no transformation between the two CRSs
        """
        if self.crs is not None and crs is not None:
            x, y = _transformed(crs, self.crs, x, y)
        return apply_affine(~self.transform, np.asarray(x, float), np.asarray(y, float))

    def lonlat(self, points: np.ndarray) -> np.ndarray:
        """Transform points (N, 2), column and row, to longitude, latitude (N, 2) in EPSG:4326; NaN where undefined.

        Longitudes are those from -180 to 180, also where the grid counts them from 0 to 360.
        """
        x, y = apply_affine(self.transform, *np.asarray(points, float).T)
        try:
            places = np.column_stack(_transformed(self.crs, LONLAT, x, y)) if self.crs else np.full((len(x), 2), np.nan)
        except UserError:  # a local CRS without a place on Earth
            places = np.full((len(x), 2), np.nan)
        places = np.where(np.isfinite(places), places, np.nan)
        return places - TURN * np.round(places / TURN) * (1, 0)

    def lonlat_bounds(self) -> Bounds:
        """Return the grid's west, south, east, north in EPSG:4326, from points all over it: its edges are curves.

        Where it crosses the antimeridian, longitudes go on beyond 180.
        """
        columns, rows = np.meshgrid(
            np.linspace(0, self.width, EXTENT_POINTS), np.linspace(0, self.height, EXTENT_POINTS)
        )
        x, y = apply_affine(self.transform, columns.ravel(), rows.ravel())
        lon, lat = (v[np.isfinite(v)] for v in _transformed(self.crs, LONLAT, x, y))
        if not len(lon):
            raise UserError(f"No pixel can be transformed to {LONLAT}: the image's CRS or transform is wrong.")
        beyond = np.where(lon < 0, lon + TURN, lon)
        if np.ptp(beyond) < TURN / 2 < np.ptp(lon):  # around a pole both are larger
            lon = beyond
        return lon.min(), lat.min(), lon.max(), lat.max()

    def has_same_pixels(self, other: "Grid") -> bool:
        """Return whether another grid has the same size and, up to a small part of a pixel, the same transform.

        CRSs are not compared.
        """
        corners = np.array([(0, 0), (self.width, 0), (0, self.height)], float).T
        there = np.array(apply_affine(~other.transform, *apply_affine(self.transform, *corners)))
        same_size = (self.width, self.height) == (other.width, other.height)
        return same_size and bool(np.abs(there - corners).max() < PIXEL_TOLERANCE)


def apply_affine(transform: Affine, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Transform points (N,), (N,) to points (N,), (N,)."""
    of_arrays: Any = transform  # its annotations allow only a single point
    with np.errstate(invalid="ignore"):  # points that are not finite stay so
        return of_arrays @ (x, y)


def _transformed(from_crs: CRS | str, to_crs: CRS | str, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Transform points (N,), (N,); inf where undefined.

    Raises:
        UserError: there is no transformation between the two CRSs
    """
    try:
        there = transform_points(from_crs, to_crs, x, y)
    except GDAL_ERRORS:
        _check_transformation(from_crs, to_crs)
        there = _one_by_one(from_crs, to_crs, np.asarray(x, float), np.asarray(y, float))
    return np.asarray(there[0]), np.asarray(there[1])


def _check_transformation(from_crs: CRS | str, to_crs: CRS | str) -> None:
    try:
        transform_points(from_crs, to_crs, [], [])
    except GDAL_ERRORS as error:
        raise UserError(f"The CRS of one map cannot be transformed to that of another ({error_text(error)}).") from None


def _one_by_one(from_crs: CRS | str, to_crs: CRS | str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (2, N), inf for points that cannot be transformed; rasterio raises for all where one of them cannot.

    Halves are tried, and halves of those that fail.
    """
    there = np.full((2, len(x)), np.inf)
    if len(x) > 1:
        for half in np.array_split(np.arange(len(x)), 2):
            try:
                there[:, half] = transform_points(from_crs, to_crs, x[half], y[half])
            except GDAL_ERRORS:
                there[:, half] = _one_by_one(from_crs, to_crs, x[half], y[half])
    return there


def _turned(rect: Bounds, bounds: Bounds) -> list[Bounds]:
    """Return a rectangle and, where these overlap the bounds, the same one a turn of longitude farther west or east."""
    west, south, east, north = rect
    turns = [turn for turn in (-TURN, TURN) if west + turn < bounds[2] and east + turn > bounds[0]]
    return [(west + turn, south, east + turn, north) for turn in (0, *turns)]


def nearest_turn(lon: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return longitudes (N,) whole turns farther west or east, where they are nearest to the middle of the bounds."""
    return lon + TURN * np.round(((bounds[0] + bounds[2]) / 2 - lon) / TURN)


def _around(windows: Sequence[Window]) -> Window:
    """Return the smallest window that holds some others."""
    left, top = min(each.x for each in windows), min(each.y for each in windows)
    right, bottom = max(each.x + each.width for each in windows), max(each.y + each.height for each in windows)
    return Window(left, top, right - left, bottom - top)


def _edges(west: float, south: float, east: float, north: float) -> tuple[np.ndarray, np.ndarray]:
    along_x, along_y = np.linspace(west, east, EDGE_POINTS), np.linspace(south, north, EDGE_POINTS)
    x = np.concatenate([along_x, along_x, np.full_like(along_y, west), np.full_like(along_y, east)])
    y = np.concatenate([np.full_like(along_x, south), np.full_like(along_x, north), along_y, along_y])
    return x, y


def _rounded(values: np.ndarray, limit: int) -> tuple[int, int]:
    """Return the smallest and the largest value as whole pixels 0 .. limit."""
    low, high = (values.min(), values.max()) if len(values) else (0, 0)
    return int(np.clip(round(low), 0, limit)), int(np.clip(round(high), 0, limit))
