"""Points of a CSV file with columns of longitude, latitude and class, for example field samples."""

import csv
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from rasterio.crs import CRS

from dataProcessors.rasters.opening import MapError
from dataProcessors.vectors.features import Box, Features, Value, as_value, check_column

LONGITUDE = ("longitude", "lon", "long", "lng", "x")
LATITUDE = ("latitude", "lat", "y")
WHOLE_FLOAT = re.compile(r"^([+-]?\d+)\.0*$")
DELIMITERS = ",;\t|"


class PointTable(NamedTuple):
    """A CSV file of points.

    Attributes:
        header: names of the columns
        rows: N lists of cells as text; a list may have fewer cells than there are columns, or more
        lonlat: (N, 2) longitude and latitude in EPSG:4326, NaN where a cell is empty
        coordinates: names of the columns that hold them
        delimiter: character between the cells
    """

    header: list[str]
    rows: list[list[str]]
    lonlat: np.ndarray
    coordinates: tuple[str, str]
    delimiter: str


def read_points(path: str) -> PointTable:
    """Read a CSV file; its first line names the columns, and commas, semicolons, tabs or bars separate them.

    Raises:
        MapError: the file cannot be read, or holds what is no longitude and latitude in degrees
    """
    header, rows, delimiter = _read(path)
    coordinates = _coordinate(path, header, LONGITUDE), _coordinate(path, header, LATITUDE)
    x, y = (_degrees(path, rows, header.index(name), limit) for name, limit in zip(coordinates, (360, 90)))
    x = (x + 180) % 360 - 180  # some count longitudes from 0 to 360
    return PointTable(header, rows, np.column_stack([x, y]), coordinates, delimiter)


class CsvPoints:
    """The points of a CSV file in EPSG:4326; see FeatureFile.

    They are held in memory: 16 bytes and a class for each.

    Args:
        path: of the file; see read_points
        layer: must be None
        column: that names the class
    Raises:
        MapError: the file cannot be read, lacks a column, or holds what is no longitude and latitude in degrees
    """

    def __init__(self, path: str, layer: str | None, column: str | None):
        if layer is not None:
            raise MapError(f"{path}: a CSV file has no layers. Remove 'layer' from 'maps.labels'.")
        self.path, self.crs = path, CRS.from_epsg(4326)
        self.settings: dict[str, Any] = {}
        table = read_points(path)
        self.column = check_column(path, column, table.header, table.coordinates)
        self._points = table.lonlat
        at = table.header.index(self.column)
        self._values: list[Value] = [_as_class(row[at]) if at < len(row) else None for row in table.rows]

    def batches(self) -> Iterator[Features]:
        """Yield all points at once."""
        yield self._features(np.arange(len(self._points)))

    def within(self, box: Box) -> Features:
        """Return the points in a box."""
        left, bottom, right, top = box
        x, y = self._points.T
        return self._features(np.nonzero((x >= left) & (x <= right) & (y >= bottom) & (y <= top))[0])

    def _features(self, chosen: np.ndarray) -> Features:
        points = self._points[chosen]
        there = np.nonzero(np.isfinite(points).all(1))[0]
        return Features([self._values[i] for i in chosen], points[there], there, boxes=np.hstack([points, points]))


def _as_class(text: str) -> Value:
    """Return a cell of the column of classes; 10.0 is 10, which tools write so where other cells are empty."""
    return as_value(WHOLE_FLOAT.sub(r"\1", text.strip()))


def _read(path: str) -> tuple[list[str], list[list[str]], str]:
    """Return the names of the columns, the rows that hold anything, and what separates their cells."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=first.count)
            rows = [row for row in csv.reader(file, delimiter=delimiter) if any(map(str.strip, row))]
    except (OSError, ValueError, csv.Error) as error:  # a ValueError: not UTF-8
        raise MapError(f"{path}: cannot be read as a CSV file in UTF-8 ({error}). Save it again as such.") from None
    if len(rows) < 2:
        raise MapError(f"{path}: the file has no points: it needs a line of column names, and lines of values.")
    return [name.strip() for name in rows[0]], rows[1:], delimiter


def _coordinate(path: str, header: list[str], names: tuple[str, ...]) -> str:
    lower = {name.casefold(): name for name in header}
    found = next((lower[name] for name in names if name in lower), None)
    if found is None:
        raise MapError(
            f"{path}: there is no column {names[0]!r} (or {', '.join(names[1:])}). Columns: {', '.join(header)}. "
            "Rename the column of coordinates in EPSG:4326."
        )
    return found


def _degrees(path: str, rows: list[list[str]], at: int, limit: int) -> np.ndarray:
    """Return a column of coordinates, NaN where a cell is empty."""
    degrees = np.full(len(rows), np.nan)
    for number, row in enumerate(rows):
        text = row[at].strip() if at < len(row) else ""
        try:
            degrees[number] = float(text) if text else np.nan
        except ValueError:
            raise MapError(f"{path}: row {number + 1} has the coordinate {text!r}, which is no number.") from None
    if (np.abs(degrees) > limit).any():
        worst = degrees[np.nanargmax(np.abs(degrees))]
        raise MapError(f"{path}: coordinates must be degrees of longitude and latitude (EPSG:4326). Got {worst:g}.")
    return degrees
