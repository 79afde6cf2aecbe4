"""The grid of an image map in many files, and where each file lies on it."""

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.transform import array_bounds
from rasterio.warp import calculate_default_transform

from config import UserError
from dataProcessors.rasters.grid import PIXEL_TOLERANCE, Grid, Window, apply_affine
from dataProcessors.rasters.opening import GDAL_ERRORS, LONLAT, MapError, error_text

log = logging.getLogger(__name__)
EDGE_POINTS = 51  # points along each edge of a file: in another CRS the edge is a curve
MAX_NAME = 60  # characters of a CRS in a message

Files = Sequence[tuple[str, Grid]]  # path and grid of each file


class FilePlacement(NamedTuple):
    """Where a file lies on the grid of all: the pixels that it covers, and whether they are its own pixels."""

    window: Window
    is_aligned: bool


def common_grid(files: Files, crs: str | None) -> tuple[Grid, list[FilePlacement]]:
    """Return the grid that holds all files, and the place of each on it.

    Without a CRS it continues the grid of the first file, on which all must lie. With one it does so if the first file
    is in this CRS; else its pixels are as large as the first file's, and begin at multiples of their size.

    Args:
        files: path and grid of each file
        crs: onto which files that lie otherwise are to be warped; None: there must be none
    Raises:
        MapError: a file lies on another grid and no CRS is given, or it cannot be warped to this CRS
    """
    (first, grid), target = files[0], None if crs is None else _parsed(crs)
    nameless = [path for path, each in files if each.crs is None]
    if target is not None and nameless:
        raise MapError(
            f"{nameless[0]}: declares no CRS, and cannot be warped to 'maps.crs'. Add it, for example with "
            "gdal_edit.py -a_srs."
        )
    lattice = grid if target is None else _lattice(first, grid, target)
    placements = [_place(lattice, path, each) for path, each in files]
    if target is None:
        for (path, each), placement in zip(files, placements):
            if not placement.is_aligned:
                raise MapError(_difference(first, grid, path, each) + _advice(grid))
    low = np.min([each.window[:2] for each in placements], 0)
    high = np.max([np.add(each.window[:2], each.window[2:]) for each in placements], 0)
    whole = lattice.part(Window(*low.tolist(), *(high - low).tolist()))
    return whole, [_moved(each, *low.tolist()) for each in placements]


def _moved(placement: FilePlacement, left: int, top: int) -> FilePlacement:
    window = placement.window
    return placement._replace(window=window._replace(x=window.x - left, y=window.y - top))


def _parsed(crs: str) -> CRS:
    try:
        parsed = CRS.from_user_input(crs)
    except GDAL_ERRORS as error:
        raise MapError(
            f"'maps.crs' is {crs!r}, which is no CRS that is known ({error_text(error)}). Give one such as "
            '"EPSG:3035".'
        ) from None
    if not (parsed.is_projected or parsed.is_geographic):  # of heights, or around the centre of the Earth
        raise MapError(f"'maps.crs' is {crs!r}, which is no CRS of a plane. Give one such as \"EPSG:3035\".")
    return parsed


def _lattice(path: str, first: Grid, crs: CRS) -> Grid:
    """Return a grid in a CRS whose pixels those of the whole map continue; its own size means nothing."""
    assert first.crs is not None
    a, b, _, d, e, _ = first.transform[:6]
    if is_same_crs(crs, first) and not (b or d):
        return first
    across, down = math.hypot(a, d), math.hypot(b, e)
    if crs.is_projected and first.crs.is_projected:
        factor = first.crs.linear_units_factor[1] / crs.linear_units_factor[1]
        return Grid(crs, Affine.scale(across * factor, -down * factor), 1, 1)
    bounds = array_bounds(first.height, first.width, first.transform)
    try:
        suggested, *_ = calculate_default_transform(first.crs, crs, first.width, first.height, *bounds)
    except GDAL_ERRORS as error:
        raise MapError(f"{path}: cannot be warped to 'maps.crs': {error_text(error)}. Take another CRS.") from None
    return Grid(crs, Affine.scale(suggested.a, suggested.e), 1, 1)


def is_same_crs(crs: CRS | None, grid: Grid) -> bool:
    """Return whether a CRS gives the same coordinates to the corners of a grid as its own, however both are written.

    A datum that PROJ does not tell apart from another, such as ETRS89 from WGS 84, counts as the same.
    """
    if crs is None or grid.crs is None:
        return crs is grid.crs
    if crs == grid.crs:
        return True
    corners = np.array([(0, 0), (grid.width, 0), (0, grid.height), (grid.width, grid.height)], float).T
    try:
        there = np.array(grid.pixels_of(crs, *apply_affine(grid.transform, *corners)))
    except UserError:
        return False
    return bool(np.abs(there - corners).max() < PIXEL_TOLERANCE)


def _place(lattice: Grid, path: str, file: Grid) -> FilePlacement:
    if is_same_crs(lattice.crs, file):
        corners = np.array([(0, 0), (file.width, 0), (0, file.height)], float).T
        there = np.array(apply_affine(~lattice.transform, *apply_affine(file.transform, *corners)))
        x, y = np.rint(there[:, 0]).astype(int).tolist()
        if np.abs(there - corners - [[x], [y]]).max() < PIXEL_TOLERANCE:
            return FilePlacement(Window(x, y, file.width, file.height), True)
    return FilePlacement(_covered(lattice, path, file), False)


def _covered(lattice: Grid, path: str, file: Grid) -> Window:
    """Return the pixels of a lattice that a file in another CRS, or on another grid, covers or touches."""
    along = np.linspace(0, 1, EDGE_POINTS)
    columns = np.concatenate([along, along, 0 * along, 0 * along + 1]) * file.width
    rows = np.concatenate([0 * along, 0 * along + 1, along, along]) * file.height
    crs = file.crs if lattice.crs is not None else None
    try:
        points = np.array(lattice.pixels_of(crs, *apply_affine(file.transform, columns, rows)))
    except UserError as error:
        raise MapError(f"{path}: {error} Take another 'maps.crs'.") from None
    if not np.isfinite(points).all():
        raise MapError(f"{path}: a part of it has no coordinates in {name_of(lattice.crs)}. Take another 'maps.crs'.")
    left, top = np.floor(points.min(1)).astype(int).tolist()
    right, bottom = np.ceil(points.max(1)).astype(int).tolist()
    return Window(left, top, right - left, bottom - top)


def name_of(crs: CRS | None) -> str:
    """Return a CRS for a message: its code, or the beginning of its definition."""
    text = "no CRS" if crs is None else crs.to_string()
    return text if len(text) <= MAX_NAME else f"{text[:MAX_NAME]} ..."


def _difference(first: str, grid: Grid, path: str, other: Grid) -> str:
    """Return a sentence on how a file's pixels differ from those of the first file's grid."""
    if not is_same_crs(grid.crs, other):
        return f"{path} is in {name_of(other.crs)}, and {first} in {name_of(grid.crs)}. "
    relative = ~grid.transform @ other.transform  # pixels of the file -> pixels of the first one
    sides = math.hypot(relative.a, relative.d), math.hypot(relative.b, relative.e)
    if max(abs(side - 1) * pixels for side, pixels in zip(sides, (other.width, other.height))) >= PIXEL_TOLERANCE:
        here, there = ("{:.9g} x {:.9g}".format(*_sides(each)) for each in (other, grid))
        return f"{path} has pixels of {here}, and {first} of {there}. "
    if abs(relative.a - 1) * other.width >= PIXEL_TOLERANCE or abs(relative.e - 1) * other.height >= PIXEL_TOLERANCE:
        return f"Rows or columns of {path} run in another direction than those of {first}. "
    across, down = (value - round(value) for value in (relative.c, relative.f))
    return f"The pixels of {path} lie {across:+.3g} columns and {down:+.3g} rows off those of {first}. "


def _sides(grid: Grid) -> tuple[float, float]:
    a, b, _, d, e, _ = grid.transform[:6]
    return math.hypot(a, d), math.hypot(b, e)


def _advice(grid: Grid) -> str:
    if grid.crs is None:
        return "Bring all files onto one grid, for example with gdalwarp."
    code = grid.crs.to_string() if grid.crs.to_authority() else LONLAT
    return f"Set 'maps.crs', such as \"{code}\", and all files are warped onto one grid."
