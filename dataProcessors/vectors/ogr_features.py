"""Polygons and points of GeoPackages, GeoJSON, Shapefiles and FlatGeobufs, read by pyogrio, an optional library."""

import glob
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from rasterio.crs import CRS

from config import command
from dataProcessors.rasters.file_identity import file_status
from dataProcessors.rasters.opening import GDAL_ERRORS, MapError, add_path_to_errors, error_text
from dataProcessors.vectors.features import Box, Features, as_value, check_column

log = logging.getLogger(__name__)
REQUIREMENTS = "pyogrio==0.13.0 shapely==2.2.0"
BATCH = 20_000  # features that are read at once where the whole file is
SLOW_BYTES = 50_000_000  # of a GeoJSON file, which is read as a whole for every part of the map
SHAPEFILE_PARTS = (".dbf", ".shx", ".prj", ".cpg")
JSON = ("json", ".geojsonl")  # ends of the names of GeoJSON files
UNMERGED = "-wal"  # of the file beside a GeoPackage that holds what a program which has it open has changed last


class OgrFeatures:
    """The features of one layer of a file; see FeatureFile.

    Args:
        path: of the file
        layer: its name; None: the only one
        column: that names the class
    Raises:
        MapError: pyogrio is not installed, the file cannot be read, has several layers, or lacks the column
    """

    def __init__(self, path: str, layer: str | None, column: str | None):
        self.path = path
        self._ogr, self._shapely = _libraries(path)
        self._layer = self._choose_layer(layer)
        about = self._call(self._ogr.read_info)
        self._is_json = path.lower().endswith(JSON)
        self.column = check_column(path, column, list(map(str, about["fields"])))
        self.crs = _crs(path, about["crs"])
        self.settings: dict[str, Any] = {"layer": self._layer, "parts": [file_status(each) for each in _parts(path)]}
        if self._is_json:
            self.settings["order"] = "of the file"  # earlier revisions took that of its own numbers

    def batches(self) -> Iterator[Features]:
        """Yield all features, BATCH at a time."""
        if self._is_json and os.path.getsize(self.path) > SLOW_BYTES:
            log.warning(
                "%s: a large GeoJSON file is slow, as it is read as a whole for every part of the map. Convert it: "
                "%s", self.path, command("ogr2ogr", "labels.gpkg", self.path),
            )  # fmt: skip
        count = int(self._call(self._ogr.read_info, force_feature_count=True)["features"])  # reads all of some files
        for start in range(0, count, BATCH):
            yield self._read(skip_features=start, max_features=BATCH)

    def within(self, box: Box) -> Features:
        """Return the features whose own boxes touch a box."""
        return self._read(bbox=box) if np.isfinite(box).all() else self._read()

    def _choose_layer(self, layer: str | None) -> str:
        names = [str(name) for name, geometry in self._call(self._ogr.list_layers) if geometry is not None]
        if not names:
            raise MapError(f"{self.path}: the file has no layer of polygons or points.")
        if layer is None and len(names) == 1:
            return names[0]
        if layer not in names:
            problem = "say which layer holds the labels" if layer is None else f"there is no layer {layer!r}"
            raise MapError(
                f'{self.path}: {problem}: {{"path": ..., "layer": ...}} in \'maps.labels\'. Layers: {", ".join(names)}.'
            )
        return layer

    def _read(self, **options: Any) -> Features:
        _, fids, wkb, columns = self._call(self._ogr.raw.read, columns=[self.column], return_fids=True, **options)
        # an index in the file may give features in another order than they have; those of GeoJSON have numbers of
        # their own, in any order, and come in that of the file
        order = np.arange(len(fids)) if self._is_json else np.argsort(fids, kind="stable")
        with add_path_to_errors(self.path):
            values = [as_value(value) for value in np.asarray(columns[0], object)[order]]
        try:
            shapes = self._shapely.from_wkb(wkb[order])
        except self._shapely.errors.GEOSException as error:
            raise MapError(f"{self.path}: a geometry is damaged ({error_text(error)}). Repair the file.") from None
        return self._features(values, shapes)

    def _features(self, values: list, shapes: np.ndarray) -> Features:
        shapely = self._shapely
        parts, of = shapely.get_parts(shapes, return_index=True)
        inner, inner_of = shapely.get_parts(parts, return_index=True)  # of collections within collections
        parts, of = inner[~shapely.is_empty(inner)], of[inner_of][~shapely.is_empty(inner)]
        kinds = shapely.get_type_id(parts)
        points, polygons = kinds == shapely.GeometryType.POINT, kinds == shapely.GeometryType.POLYGON
        usable = np.isin(np.arange(len(shapes)), of[points | polygons])
        boxes = np.where(usable[:, None], shapely.bounds(shapes), np.nan)
        lines = np.isin(shapely.get_type_id(shapes), (1, 2, 5)) & ~usable
        coordinates = shapely.get_coordinates(parts[points])
        return Features(values, coordinates, of[points], parts[polygons], of[polygons], boxes, int(lines.sum()))

    def _call(self, function: Any, **options: Any) -> Any:
        """Call a function of pyogrio on the layer; its errors become a MapError."""
        layer = {"layer": self._layer} if hasattr(self, "_layer") else {}
        errors = self._ogr.errors
        try:
            return function(self.path, **layer, **options)
        except (errors.DataSourceError, errors.DataLayerError, errors.FeatureError, errors.GeometryError,
                errors.FieldError, errors.CRSError, OSError, ValueError) as error:  # fmt: skip
            raise MapError(
                f"{self.path}: cannot be read as polygons or points ({error_text(error)}). Copy it again, or set "
                "another path in 'maps.labels'."
            ) from None


def _parts(path: str) -> list[Path]:
    """Return the further files that hold a part of what is read; they may change where the file itself does not."""
    file = Path(path)
    if file.suffix.lower() == ".shp":
        beside = sorted(file.parent.glob(f"{glob.escape(file.stem)}.*"))
        return [each for each in beside if each.suffix.lower() in SHAPEFILE_PARTS]
    unmerged = file.with_name(file.name + UNMERGED)
    return [unmerged] if unmerged.exists() and unmerged.stat().st_size else []


def _libraries(path: str) -> tuple[ModuleType, ModuleType]:
    try:
        import pyogrio
        import pyogrio.raw
        import shapely
    except ImportError:
        raise MapError(
            f"{path}: polygons and points are read by optional libraries. Install them: pip install {REQUIREMENTS}"
        ) from None
    return pyogrio, shapely


def _crs(path: str, text: str | None) -> CRS | None:
    try:
        return CRS.from_user_input(text) if text else None
    except GDAL_ERRORS as error:
        raise MapError(
            f"{path}: its CRS is not understood ({error_text(error)}). Correct it with ogr2ogr -a_srs."
        ) from None
