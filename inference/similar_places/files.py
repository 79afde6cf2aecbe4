"""The files of a search: a table, tile polygons, a raster of the similarity, and what was asked."""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from rasterio.windows import Window as RasterWindow

from config import UserError
from dataProcessors.rasters.opening import GDAL_ERRORS
from inference.similar_places.searching import Query, Search
from storage import (
    check_space,
    check_writable,
    convert_write_errors,
    remove_folder,
    rename_folder,
    storage_error,
    temporary_folder,
    write_text,
)

SEARCHES = "searches"  # folder in that of a run
TABLE, POLYGONS, RASTER, ABOUT = "results.csv", "results.geojson", "similarity.tif", "query.json"
COLUMNS = ("rank", "x", "y", "lon", "lat", "similarity", "class")
DIGITS = 7  # of longitude and latitude: a centimetre
BLOCK = 256  # side of the raster's blocks, in tiles
FORMAT = 1


def search_name(query: Query, embedded: Path) -> str:
    """Return a name for a query of an embedded map: its first place or file, and a hash of all of it."""
    first = "_".join(f"{each:.5f}" for each in query.examples[0]) if query.examples else Path(query.tile or "").stem
    digest = hashlib.sha256(json.dumps([_asked(query), embedded.name], sort_keys=True).encode()).hexdigest()
    return f"{first}-{digest[:8]}"


class Writing(NamedTuple):
    """A folder that is being written.

    Attributes:
        temporary: where the files are written
        target: what it is called when all are there
    """

    temporary: Path
    target: Path


@contextmanager
def search_folder(run_folder: Path, name: str, chosen: Path | None = None) -> Iterator[Writing]:
    """Yield a folder to write the files of a search to, and give it its place when all are there.

    That is searches/NAME in the run's folder, which replaces one of the same query, or the folder that the user chose.

    Raises:
        UserError: the chosen folder exists
        StorageError: the disk refuses a write
    """
    target = chosen or run_folder / SEARCHES / name
    if chosen is not None:
        check_new_folder(chosen)
    check_writable(target.parent)
    with convert_write_errors(target), temporary_folder(target.parent) as temporary:
        yield Writing(temporary, target)
        if chosen is None and target.exists():
            remove_folder(target)
        if not rename_folder(temporary, target):
            raise UserError(f"{target}: another process has just written it. Search again.")


def check_new_folder(folder: Path) -> None:
    """Check that a folder which the user chose for a search can be made.

    Raises:
        UserError: it exists
        StorageError: the folder around it cannot be written to
    """
    if folder.exists():
        raise UserError(f"{folder} exists already. Remove it, or give another folder with -o.")
    check_writable(folder.parent)


def write_search(folder: Path, search: Search) -> None:
    """Write the table, the polygons, the raster (unless an index was used) and the query to a folder.

    Raises:
        StorageError: the disk refuses a write
    """
    write_text(folder / TABLE, results_csv(search))
    write_text(folder / POLYGONS, json.dumps(results_geojson(search), indent=1) + "\n")
    if search.similarity_of_all is not None:
        write_raster(folder / RASTER, search, search.similarity_of_all)
    write_text(folder / ABOUT, json.dumps(about(search), indent=1) + "\n")


def results_csv(search: Search) -> str:
    """Return the table of what was found: COLUMNS; unknown values are empty, the class is left out without labels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS if search.classes else COLUMNS[:-1])
    for rank, (position, lonlat, similarity) in enumerate(_found(search)):
        place = [f"{each:.{DIGITS}f}" if math.isfinite(each) else "" for each in lonlat]
        writer.writerow([rank + 1, *position, *place, f"{similarity:.7g}", *_class(search, rank).values()])
    return text.getvalue()


def results_geojson(search: Search) -> dict[str, Any]:
    """Return the tiles as GeoJSON polygons (RFC 7946): EPSG:4326, corners counterclockwise from the upper-left one.

    Longitudes of a tile on the antimeridian go on beyond 180. Where the map has no place on Earth, tiles have no
    geometry.
    """
    corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0], [0, 0]]) * search.embedded.tiles.size
    outlines = search.positions[:, None] + corners  # (k, 5, 2)
    rings = search.image.source.grid.lonlat(outlines.reshape(-1, 2)).reshape(outlines.shape)
    features = [
        {
            "type": "Feature",
            "geometry": _polygon(ring),
            "properties": {"rank": rank + 1, "similarity": round(similarity, 7), **_class(search, rank)},
        }
        for rank, (ring, (_, _, similarity)) in enumerate(zip(rings, _found(search)))
    ]
    return {"type": "FeatureCollection", "features": features}


def _found(search: Search) -> Iterator[tuple[list[int], list[float], float]]:
    yield from zip(search.positions.tolist(), search.lonlat.tolist(), search.similarity.tolist())


def _class(search: Search, rank: int) -> dict[str, str]:
    return {"class": search.classes[rank]} if search.classes else {}


def _polygon(ring: np.ndarray) -> dict[str, Any] | None:
    """Return a closed ring (5, 2), longitude and latitude, as a polygon whose corners go counterclockwise."""
    if not np.isfinite(ring).all():
        return None
    lon, lat = ring.T
    lon = lon + 360 * (lon < lon.max() - 180)  # on the other side of the antimeridian
    twice_area = (lon[:-1] * lat[1:] - lon[1:] * lat[:-1]).sum()
    points = np.column_stack([lon, lat]).round(DIGITS).tolist()
    return {"type": "Polygon", "coordinates": [points if twice_area > 0 else points[::-1]]}


def write_raster(path: Path, search: Search, values: np.ndarray) -> None:
    """Write the similarity (T,) of all tiles as a GeoTIFF of float32, a pixel for each tile, NaN without embedding.

    Raises:
        StorageError: the disk refuses it; GDAL does not always say so, so that the file is read again
    """
    tiles = search.embedded.tiles
    values = values.reshape(tiles.rows, tiles.columns)
    check_space(path, values.nbytes)
    profile = {
        "driver": "GTiff", "width": tiles.columns, "height": tiles.rows, "count": 1, "dtype": "float32",
        "nodata": np.nan, "crs": search.image.crs, "transform": tiles.raster_transform(search.image.transform),
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "predictor": 3,
    }  # fmt: skip
    strips = [slice(row, min(row + BLOCK, tiles.rows)) for row in range(0, tiles.rows, BLOCK)]
    try:
        with rasterio.open(path, "w", **profile) as file:
            file.update_tags(similarity=search.similarity_name)
            for rows in strips:
                file.write(values[rows], 1, window=_window(rows, tiles.columns))
        with rasterio.open(path) as file:
            stored = (file.read(1, window=_window(rows, tiles.columns)) for rows in strips)
            is_whole = all(np.array_equal(each, values[rows], equal_nan=True) for each, rows in zip(stored, strips))
    except GDAL_ERRORS as error:
        raise storage_error(path, error) from None
    if not is_whole:
        raise storage_error(path, OSError("what was written cannot be read again"))


def _window(rows: slice, columns: int) -> RasterWindow:
    return RasterWindow(0, rows.start, columns, rows.stop - rows.start)


def about(search: Search) -> dict[str, Any]:
    """Return what was asked, of which network and map, and how it was compared."""
    embedded = search.embedded
    return {
        "format": FORMAT,
        "query": _asked(search.query),
        "positions": search.tiles.example_positions.tolist(),
        "counter_positions": search.tiles.counter_positions.tolist(),
        "found": len(search.positions),
        "similarity": search.similarity_name,
        "exact": search.similarity_of_all is not None,
        "embedded_map": str(embedded.folder),
        "image_size": embedded.tiles.size,
        "stride": embedded.tiles.stride,
        "network": embedded.about["network"],
        "map": embedded.about["map"],
    }


def _asked(query: Query) -> dict[str, Any]:
    return {
        "at": [list(place) for place in query.examples],
        "not": [list(place) for place in query.counter_examples],
        "tile": str(query.tile) if query.tile else None,
        "k": query.k,
    }
