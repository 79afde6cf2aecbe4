"""Writes an embedded map as GeoParquet: a row for each tile, with its polygon and its embedding."""

import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from config import UserError
from dataProcessors.label_reader import LabelReader
from dataProcessors.legends.legend import dominant
from inference.core.embedded_map import EmbeddedMap
from inference.files.cog import tags
from inference.files.tile_polygons import as_wkb, boxes, tile_rings
from storage import atomic_write, check_space

REQUIREMENTS = "pyarrow==26.0.1"
VERSION = "1.1.0"  # of the GeoParquet metadata
EDGES = ("xmin", "ymin", "xmax", "ymax")  # of a box
ROW_BYTES = 300  # of a row beside its embedding, at most: the polygon, the box, and what else there is
MAX_ROWS = 1 << 16  # of a row group
# the smallest files that were measured: a dictionary of the 256 values, and the bytes of floats apart
ENCODINGS: dict[str, dict[str, Any]] = {
    "int8": {"use_dictionary": True},
    "float32": {"use_dictionary": False, "use_byte_stream_split": ["embedding.list.element"]},
}
Columns = Callable[[np.ndarray], dict[str, np.ndarray]]  # tiles (n,) -> name -> values (n,), texts or numbers


def write_geoparquet(embedded: EmbeddedMap, path: Path, columns: Columns | None = None) -> None:
    """Write the tiles that have an embedding to a GeoParquet file.

    Columns: `tile` (its number, row by row), `column` and `row` (its upper-left pixel on the map), `embedding` (a list
    of fixed length D: int8, or float32 as stored), for int8 `scale` (value = scale * stored value), those of
    `columns`, `geometry` (the tile's outline in the CRS of the map) and `bbox`, by which readers skip row groups.

    pyarrow 26 reads all of it as written, and duckdb 2.0 as well, but for the lists' fixed length: cast them to
    FLOAT[D] before its array functions. geopandas 1.2 reads it, selects by `bbox`, and has each embedding as a numpy
    array of its own; written by it again, the list has no fixed length. Read with pandas.ArrowDtype as `types_mapper`
    the length is kept, but what geopandas writes then, its own read_parquet cannot read.

    Args:
        embedded: the map
        path: of the file
        columns: further columns, for example `class_columns`
    Raises:
        UserError: pyarrow, an optional library, is not installed
        StorageError: the disk is too small, or refuses a write
    """
    arrow, parquet = require_pyarrow(path)
    check_space(path, geoparquet_bytes(int(embedded.valid.sum()), embedded.dimensions * embedded.vectors.itemsize))
    with atomic_write(path) as temporary:
        _write(arrow, parquet, embedded, temporary, columns or (lambda tiles: {}))


def geoparquet_bytes(tiles: int, tile_bytes: int) -> int:
    """Return the disk space that writing needs at most, for embeddings of so many bytes a tile."""
    return tiles * (tile_bytes + ROW_BYTES)


def require_pyarrow(path: Path) -> tuple[ModuleType, ModuleType]:
    """Return pyarrow and pyarrow.parquet, which write a file.

    Raises:
        UserError: they are not installed: how to do so
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(
            f"{path}: GeoParquet is written by an optional library. Install it: pip install {REQUIREMENTS}"
        ) from None
    return pyarrow, pyarrow.parquet


def class_columns(embedded: EmbeddedMap, labels: LabelReader) -> Columns:
    """Return a function for `write_geoparquet`: the class that covers most of a tile, and the share of each class.

    A tile without a labelled pixel has no class (null), and shares of 0.
    """
    names = np.array([*labels.legend.names, None], object)

    def columns(tiles: np.ndarray) -> dict[str, np.ndarray]:
        shares = labels.proportions(embedded.tiles.positions(tiles), embedded.tiles.size)  # (n, K)
        index = np.where(shares.any(1), dominant(shares), len(labels.legend))
        return {"class": names[index], **{f"share of {name}": shares[:, i] for i, name in enumerate(names[:-1])}}

    return columns


def _write(arrow: ModuleType, parquet: ModuleType, embedded: EmbeddedMap, path: Path, columns: Columns) -> None:
    tables = (_table(arrow, embedded, tiles, columns(tiles)) for tiles in _chunks(embedded))
    first = next(tables, None)
    if first is None:
        raise UserError(f"{embedded.folder}: no tile has an embedding, so there is nothing to write.")
    schema = first.schema.with_metadata({"geo": json.dumps(_geo(embedded)), **tags(embedded)})
    encoding = ENCODINGS[embedded.vectors.dtype.name]
    with parquet.ParquetWriter(path, schema, compression="zstd", **encoding) as writer:
        for table in chain([first], tables):
            writer.write_table(table, row_group_size=len(table))


def _chunks(embedded: EmbeddedMap) -> Iterator[np.ndarray]:
    """Yield the numbers (n,) of the tiles that have an embedding, in order, so many as make up a row group."""
    for chunk in embedded.chunks():
        tiles = chunk.start + np.flatnonzero(embedded.valid[chunk])
        yield from (tiles[i : i + MAX_ROWS] for i in range(0, len(tiles), MAX_ROWS))


def _rings(embedded: EmbeddedMap, tiles: np.ndarray) -> np.ndarray:
    """Return the outlines (n, 5, 2) of tiles (n,)."""
    return tile_rings(embedded.map_grid, embedded.tiles.positions(tiles), embedded.tiles.size)


def _table(arrow: ModuleType, embedded: EmbeddedMap, tiles: np.ndarray, further: dict[str, np.ndarray]) -> Any:
    positions, stored, rings = embedded.tiles.positions(tiles), embedded.vectors[tiles], _rings(embedded, tiles)
    is_quantised = stored.dtype == np.int8
    edges = {name: arrow.array(values) for name, values in zip(EDGES, np.ascontiguousarray(boxes(rings).T))}
    return arrow.table(
        {
            "tile": tiles,
            "column": positions[:, 0],
            "row": positions[:, 1],
            "embedding": arrow.FixedSizeListArray.from_arrays(arrow.array(stored.ravel()), embedded.dimensions),
            **({"scale": np.full(len(tiles), embedded.scale)} if is_quantised else {}),
            **{name: _array(arrow, values) for name, values in further.items()},
            "geometry": _binary(arrow, as_wkb(rings)),
            "bbox": arrow.StructArray.from_arrays(list(edges.values()), list(edges)),
        }
    )


def _array(arrow: ModuleType, values: np.ndarray) -> Any:
    """Return values (n,) as an array of Arrow: texts, of which None is null, or numbers."""
    return arrow.array(values, arrow.string() if values.dtype == object else None)


def _binary(arrow: ModuleType, records: np.ndarray) -> Any:
    """Return records (n,) as an array of Arrow of their bytes."""
    ends = np.arange(len(records) + 1, dtype=np.int32) * records.itemsize
    return arrow.Array.from_buffers(
        arrow.binary(), len(records), [None, arrow.py_buffer(ends), arrow.py_buffer(records.tobytes())]
    )


def _geo(embedded: EmbeddedMap) -> dict[str, Any]:
    """Return the metadata of GeoParquet."""
    crs = embedded.map_grid.crs
    corners = np.array([boxes(_rings(embedded, tiles).reshape(1, -1, 2))[0] for tiles in _chunks(embedded)])  # (m, 4)
    return {
        "version": VERSION,
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "geometry_types": ["Polygon"],
                "crs": crs.to_dict(projjson=True) if crs else None,  # null: not known; without the key: lon, lat
                "orientation": "counterclockwise",
                "bbox": [*corners[:, :2].min(0).tolist(), *corners[:, 2:].max(0).tolist()],
                "covering": {"bbox": {name: ["bbox", name] for name in EDGES}},
            }
        },
    }
