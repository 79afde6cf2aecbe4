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

from config import UserError
from dataProcessors.rasters.grid import Grid, Window
from inference.files.raster_file import FLOATS, OVERVIEWS_SHARE, TILE, RasterFile, bytes_needed, write_part
from inference.similar_places.searching import Query, Search
from storage import (
    check_space,
    check_writable,
    convert_write_errors,
    remove_folder,
    rename_folder,
    temporary_folder,
    write_text,
)

SEARCHES = "searches"  # folder in that of a run
TABLE, POLYGONS, RASTER, ABOUT = "results.csv", "results.geojson", "similarity.tif", "query.json"
COLUMNS = ("rank", "x", "y", "lon", "lat", "similarity", "class")
DIGITS = 7  # of longitude and latitude: a centimetre
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
        StorageError: the disk is too small, or refuses a write
    """
    tiles = search.embedded.tiles
    grid = Grid(search.image.crs, tiles.raster_transform(search.image.transform), tiles.columns, tiles.rows)
    window = Window(0, 0, tiles.columns, tiles.rows)
    raster = RasterFile(path, "float32", np.nan, (search.similarity_name,), FLOATS)
    check_space(path, bytes_needed([raster], window, OVERVIEWS_SHARE))
    with raster.open(grid, window) as file:
        for top in range(0, tiles.rows, TILE):
            write_part(file, (0, top), [values.reshape(tiles.rows, tiles.columns)[top : top + TILE]])


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
