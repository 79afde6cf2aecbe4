"""Write small files of polygons and points for tests, and open them as label maps."""

import json

import numpy as np
import pytest
from maps_for_tests import LONLAT, UTM32, grid_of, noise, write_map
from rasterio.warp import transform

from config import LabelFile
from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader
from dataProcessors.vectors.feature_classes import own_classes
from dataProcessors.vectors.vector_source import VectorSource

needs_pyogrio = pytest.mark.skipif(
    "not __import__('importlib').util.find_spec('pyogrio')", reason="pyogrio is optional"
)


def to_crs(pixels, crs, grid):
    """Columns and rows (N, 2) of the grid -> x, y (N, 2) in a CRS."""
    x, y = grid.transform @ np.asarray(pixels, float).T
    return np.column_stack(transform(grid.crs, crs, x, y)) if crs != grid.crs else np.column_stack([x, y])


def write_geojson(path, shapes, values, crs=UTM32, grid=None, column="class", kind="Polygon"):
    """Features of rings (n, 2), or of points (2,), in pixels of the grid; None: without geometry."""
    features = []
    for shape, value in zip(shapes, values):
        geometry = None
        if shape is not None:
            places = to_crs(np.atleast_2d(shape), crs, grid or grid_of()).tolist()
            geometry = {
                "type": kind,
                "coordinates": {"Polygon": [places], "Point": places[0], "LineString": places}[kind],
            }
        features.append({"type": "Feature", "geometry": geometry, "properties": {column: value, "other": 1}})
    name = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{crs.to_epsg()}"}}
    content = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": name["properties"]},
        "features": features,
    }
    path.write_text(json.dumps(content))
    return path


def write_csv(path, grid, places, values, header="longitude,latitude,class", comma=","):
    lonlat = to_crs(places, LONLAT, grid)
    rows = [comma.join([f"{x:.9f}", f"{y:.9f}", str(value)]) for (x, y), value in zip(lonlat, values)]
    path.write_text("\n".join([header.replace(",", comma), *rows, "", ""]), encoding="utf-8-sig")
    return path


def stars(number, grid, seed=0):
    """Polygons with dents of random size and place, in pixels; some reach out of the grid."""
    rng = np.random.default_rng(seed)
    shapes = []
    for _ in range(number):
        centre, radius = rng.uniform(-20, (grid.width + 20, grid.height + 20)), rng.uniform(5, 40)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        reach = radius * rng.uniform(0.3, 1, 9)
        ring = centre + np.column_stack([np.cos(angles), np.sin(angles)]) * reach[:, None]
        shapes.append(np.concatenate([ring, ring[:1]]))
    return shapes


def opened(path, grid, column="class", layer=None):
    source = VectorSource(path, grid, layer, column)
    names, codes, classes = own_classes(source.path, source.count_values(grid.window))
    source.set_classes(classes)
    return source, names, codes


def read_map(folder, file, name="samples", hint=None, cache=None):
    image = TiffReader(write_map(folder / "image.tif", noise((3, 150, 200))))
    return LabelReader(LabelFile(**file), name, image, hint, cache)
