"""Polygons and points that name a class: what is common to the files that hold them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from rasterio.crs import CRS

from config import UserError
from dataProcessors.rasters.opening import MapError

Value = str | int | None  # what the column of classes holds for a feature; None: nothing
Box = tuple[float, float, float, float]  # left, bottom, right, top in the CRS of a file


@dataclass(frozen=True)
class Features:
    """Some features of a file, in the order of the file; a feature is its index 0..N-1.

    Attributes:
        values: N values of the column of classes
        points: (P, 2) x, y of points; a feature may have several
        point_of: (P,) the feature of each
        polygons: Q polygons, of shapely
        polygon_of: (Q,) the feature of each
        boxes: (N, 4) left, bottom, right, top; NaN for a feature without points and polygons
        lines: number of features that are lines
    """

    values: list[Value]
    points: np.ndarray
    point_of: np.ndarray
    polygons: np.ndarray = field(default_factory=lambda: np.empty(0, object))
    polygon_of: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    boxes: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))
    lines: int = 0


class FeatureFile(Protocol):
    """A file of polygons and points.

    Attributes:
        path: of the file
        crs: of the coordinates; None: not declared
        column: that names the classes
        settings: what else determines what is read, such as the layer, and size and time of further files
    """

    path: str
    crs: CRS | None
    column: str
    settings: dict[str, Any]

    def batches(self) -> Iterator[Features]:
        """Yield all features, some at a time."""

    def within(self, box: Box) -> Features:
        """Return the features near a box: all that touch it, and perhaps others."""


def as_value(value: Any) -> Value:
    """Return a cell of the column of classes as text or whole number; None: empty.

    Raises:
        UserError: it holds several values
    """
    if isinstance(value, np.ndarray) and value.size != 1:
        raise UserError(f"The column of classes holds lists, such as {value.tolist()}. Choose a 'column' of one class.")
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.item()
    if value is None or value != value:  # NaN
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else str(value).strip() or None


def check_column(path: str, column: str | None, columns: list[str], unsuited: tuple[str, ...] = ()) -> str:
    """Return the name of the column of classes as the file writes it.

    Args:
        path: of the file
        column: as the config names it
        columns: of the file
        unsuited: those that cannot name classes, such as coordinates
    Raises:
        MapError: there is no such column, or none is named; the message lists those that there are
    """
    candidates = ", ".join(name for name in columns if name not in unsuited) or "none"
    if column is None:
        raise MapError(
            f'{path}: say which column names the class: {{"path": ..., "column": ...}} in \'maps.labels\'. '
            f"Columns: {candidates}."
        )
    named = [name for name in columns if name == column] or [n for n in columns if n.casefold() == column.casefold()]
    if not named:
        raise MapError(f"{path}: there is no column {column!r}. Columns: {candidates}.")
    return named[0]
