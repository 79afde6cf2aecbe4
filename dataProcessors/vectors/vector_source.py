"""Polygons and points as a label map: windows of class indices on the image's grid, drawn when they are read."""

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.features import rasterize

from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.rasters.grid import EXTENT_POINTS, Grid, Window, apply_affine
from dataProcessors.rasters.handles import decimated_shape
from dataProcessors.rasters.map_file import MapFile, MapFiles
from dataProcessors.rasters.opening import MapError, add_path_to_errors
from dataProcessors.rasters.remote_options import is_remote
from dataProcessors.vectors.csv_points import CsvPoints
from dataProcessors.vectors.features import Box, FeatureFile, Features, Value
from dataProcessors.vectors.ogr_features import OgrFeatures

log = logging.getLogger(__name__)
OPENERS: dict[str, Callable[[str, str | None, str | None], FeatureFile]] = {  # suffix -> (path, layer, column)
    ".csv": CsvPoints,
    ".fgb": OgrFeatures,
    ".geojson": OgrFeatures,
    ".geojsonl": OgrFeatures,
    ".gpkg": OgrFeatures,
    ".json": OgrFeatures,
    ".shp": OgrFeatures,
}
EVERYWHERE: Box = (-np.inf, -np.inf, np.inf, np.inf)


def is_vector(path: str) -> bool:
    """Return whether a file holds polygons or points, by its suffix."""
    return Path(path).suffix.lower() in OPENERS


def open_features(path: str, layer: str | None, column: str | None) -> FeatureFile:
    """Open a file of polygons or points; arguments and errors: see `VectorSource`."""
    if is_remote(path):
        raise MapError(f"{path}: polygons and points are read from files of this machine. Download the file.")
    if not Path(path).exists():
        raise MapError(f"{path}: there is no such file. Set another path in 'maps.labels'.")
    return OPENERS[Path(path).suffix.lower()](path, layer, column)


class VectorSource:
    """Polygons and points on the image's grid: windows (1, h, w) of class indices, uint8, NO_LABEL where there is none.

    A polygon covers the pixels whose centre lies in it; a point the one pixel in which it lies. Where polygons overlap,
    the one that comes later in the file counts, and points count before polygons. Vertices are brought into the image's
    CRS, and edges are straight lines between them there.

    Args:
        path: of a GeoPackage, GeoJSON, Shapefile, FlatGeobuf or CSV file
        grid: the image map's grid
        layer: of a file of several
        column: that names the class
    Raises:
        MapError: the file cannot be read, lacks the layer or column, or has no place on the grid
    """

    dtype = np.dtype(np.uint8)
    padding = NO_LABEL
    bands = (1,)
    channels, has_validity, shown_bands, overview_bands = 1, False, (0,), (0,)
    chunk = (2048, 2048)
    synthetic = False

    def __init__(self, path: str | Path, grid: Grid, layer: str | None = None, column: str | None = None):
        self.path, self.grid = str(path), grid
        self.files = (self.path,)
        self.file = open_features(self.path, layer, column)
        self.map_files = MapFiles([MapFile(self.path)])
        if (self.file.crs is None) != (grid.crs is None):
            lacking, other = ("the image", "the features") if grid.crs is None else ("the features", "the image")
            raise MapError(f"{self.path}: {lacking} declare no CRS, but {other} do. Add the missing CRS to its file.")
        self.classes: dict[Value, int] = {}
        self.without_data: dict[str, int] = {}
        self.has_points = False
        self.description = {"layer": layer, "column": self.file.column}  # for people
        self.read_settings: dict[str, Any] = {
            "column": self.file.column, "crs": str(self.file.crs), **self.file.settings,
        }  # fmt: skip

    def count_values(self, window: Window) -> Counter:
        """Read the whole file once: return the number of features of each value, and log what has no class or place.

        Args:
            window: the part of the grid in use
        Raises:
            MapError: no feature with a class lies in it
        """
        counts: Counter = Counter()
        box = self._box_of(window)
        total = lines = without_place = without_class = inside = 0
        for features in self.file.batches():
            counts.update(value for value in features.values if value is not None)
            has_class = np.array([value is not None for value in features.values], bool)
            placed = np.isfinite(features.boxes).all(1)
            self.has_points |= len(features.points) > 0
            total, lines = total + len(has_class), lines + features.lines
            without_place, without_class = without_place + int((~placed).sum()), without_class + int((~has_class).sum())
            inside += int((placed & has_class & _touches(features.boxes, box)).sum())
        log.info("%s: %d features, %d of them with a class in or near the part in use", self.path, total, inside)
        for number, what in ((without_class, f"have nothing in the column {self.file.column!r}"),
                             (lines, "are lines, which have no area"),
                             (without_place - lines, "have no geometry")):  # fmt: skip
            if number:
                log.warning("%s: %d of %d features %s and are left out", self.path, number, total, what)
        if not inside:
            raise MapError(
                f"{self.path}: none of its {total} features has a class and lies in the part of the image in use. "
                "Choose labels of the same place, or another 'maps.rect'."
            )
        return counts

    def set_classes(self, classes: dict[Value, int]) -> None:
        """Set value -> class index; features of other values are left out."""
        self.classes = classes
        self.read_settings["classes"] = sorted((str(value), index) for value, index in classes.items())

    def read_window(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Read class indices (1, height, width) of a window of the grid."""
        return self._drawn(Window(x, y, width, height), (height, width), 1)

    def read_counted(self, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, dict[str, int]]:
        """Read a window as `read_window` does; pixels without data are not counted."""
        return self.read_window(x, y, width, height), {}

    def read_decimated(self, window: Window, step: int) -> np.ndarray:
        """Read class indices (1, h / step, w / step), both rounded up, drawn with pixels of step x step pixels."""
        return self._drawn(window, decimated_shape(window, step), step)

    def _drawn(self, window: Window, shape: tuple[int, int], step: int) -> np.ndarray:
        box = self._box_of(window)
        features = self.file.within(box)
        classes = np.array([self.classes.get(value, NO_LABEL) for value in features.values], np.uint8)
        to_pixels = Affine.scale(1 / step) @ Affine.translation(-window.x, -window.y)
        drawn = self._draw_polygons(features, classes, to_pixels, shape, box)
        self._draw_points(features, classes, to_pixels, drawn)
        return drawn[None]

    def _draw_polygons(
        self, features: Features, classes: np.ndarray, transform: Affine, shape: tuple[int, int], box: Box
    ) -> np.ndarray:
        nothing = np.full(shape, NO_LABEL, np.uint8)
        if not len(features.polygons):
            return nothing
        import shapely  # only files that it reads hold polygons

        of = classes[features.polygon_of]
        near = (of != NO_LABEL) & _touches(shapely.bounds(features.polygons), box)  # a feature may have far parts
        polygons, of = features.polygons[near], of[near]
        if not len(polygons):
            return nothing
        points, polygon_of = shapely.get_coordinates(polygons, return_index=True)
        with add_path_to_errors(self.path):
            points = np.column_stack(apply_affine(transform, *self.grid.pixels_of(self.file.crs, *points.T)))
        finite = np.isfinite(points).all(1)
        drawn = np.bincount(polygon_of[~finite], minlength=len(polygons)) == 0  # others leave what the CRS is made for
        if not drawn.any():
            return nothing
        there = shapely.set_coordinates(polygons[drawn], points[drawn[polygon_of]])
        return rasterize(zip(there, of[drawn].tolist()), shape, fill=NO_LABEL, dtype="uint8")

    def _draw_points(self, features: Features, classes: np.ndarray, transform: Affine, drawn: np.ndarray) -> None:
        of = classes[features.point_of]
        with add_path_to_errors(self.path):
            columns, rows = apply_affine(transform, *self.grid.pixels_of(self.file.crs, *features.points.T))
        height, width = drawn.shape
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height) & (of != NO_LABEL)
        for column, row, index in zip(columns[inside].astype(int), rows[inside].astype(int), of[inside]):
            drawn[row, column] = index  # one by one: the later one of two counts

    def _box_of(self, window: Window) -> Box:
        """Return the box around a window of the grid in the file's CRS, with a margin of a pixel and more."""
        columns, rows = np.meshgrid(*(np.linspace(start - 1, start + size + 1, EXTENT_POINTS)
                                      for start, size in zip(window[:2], window[2:])))  # fmt: skip
        x, y = apply_affine(self.grid.transform, columns.ravel(), rows.ravel())
        with add_path_to_errors(self.path):  # a grid whose pixels are units of the file's CRS
            x, y = Grid(self.file.crs, Affine.identity(), 1, 1).pixels_of(self.grid.crs, x, y)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return EVERYWHERE  # part of the window has no coordinates in the file's CRS
        margins = [(v.max() - v.min()) / EXTENT_POINTS for v in (x, y)]  # edges are curves between the points
        low, high = ([edge(v) for v in (x, y)] for edge in (np.min, np.max))
        return (low[0] - margins[0], low[1] - margins[1], high[0] + margins[0], high[1] + margins[1])


def _touches(boxes: np.ndarray, box: Box) -> np.ndarray:
    """Return whether boxes (N, 4) touch a box; NaN touches nothing."""
    left, bottom, right, top = boxes.T
    return (left <= box[2]) & (right >= box[0]) & (bottom <= box[3]) & (top >= box[1])
