"""Describes a file of embeddings as a STAC Item: a JSON file beside it.

The fields are those of the Embedding extension 0.0.1, the Machine Learning Model extension 1.5.2, and those for
projections, files and bands. The schema of the Embedding extension takes Items of STAC 1.0.0 alone, and has its fields
`emb:type`, `emb:dimensions` and `emb:chip_layout` for Collections; they stand among the `emb:runtime_parameters` here.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from config import UserError
from dataProcessors.rasters.grid import Grid, Window
from inference.core.embedded_map import NODATA, EmbeddedMap
from inference.files.outline import outline

VERSION = "1.0.0"  # of STAC
REGISTRY = "https://stac-extensions.github.io"
EXTENSIONS = {"embeddings": "v0.0.1", "mlm": "v1.5.2", "projection": "v2.0.0", "file": "v2.1.0", "eo": "v1.1.0"}
MEDIA_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".tiff": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".parquet": "application/vnd.apache.parquet",
}
EARLIEST, LATEST = "1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z"  # when an image was taken, if nothing is known
SHA256_MULTIHASH = "1220"  # what a SHA-256 of 32 bytes begins with in 'file:checksum'
TASKS = ["similarity-search"]


def stac_text(embedded: EmbeddedMap, path: Path, output: Path) -> str:
    """Return the STAC Item of a file with the embeddings of a map, as JSON; see `stac_item`."""
    return json.dumps(stac_item(embedded, path, output), indent=1) + "\n"


def stac_item(embedded: EmbeddedMap, path: Path, output: Path) -> dict[str, Any]:
    """Return the STAC Item of a file with the embeddings of a map. It holds no time, so equal maps have equal Items.

    Args:
        embedded: the map
        path: where the JSON file belongs
        output: where the file with the embeddings does
    """
    about = embedded.about
    schemas = [f"{REGISTRY}/{name}/{version}/schema.json" for name, version in EXTENSIONS.items()]
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": schemas,
        "id": embedded.folder.name,
        **_place(embedded),
        "properties": {
            "title": f"Embeddings of {Path(about['map']['path']).name}",
            **_times(about["map"].get("modified")),
            "data_type": about["type"],
            **_projection(embedded),
            **_embedding(embedded),
            **_model(embedded),
        },
        "links": [
            {"rel": "emb:source-data", "href": _reference(file, path), "title": "the map"}
            for file in about["map"].get("files", [about["map"]["path"]])
        ],
        "assets": {"embeddings": _embeddings_asset(embedded, path, output), "model": _model_asset(embedded, path)},
    }


def _covered(embedded: EmbeddedMap) -> Grid:
    """Return the pixel grid of the part of the map that the tiles cover."""
    tiles = embedded.tiles
    right, bottom = tiles.uncovered()
    x, y, width, height = tiles.window
    return embedded.map_grid.part(Window(x, y, width - right, height - bottom))


def _place(embedded: EmbeddedMap) -> dict[str, Any]:
    """Return box and outline in longitude and latitude; a geometry of null where the map has no place on Earth."""
    grid = _covered(embedded)
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)]) * (grid.width, grid.height)
    ring = grid.lonlat(corners if grid.transform.determinant < 0 else corners[::-1])
    try:
        bounds = grid.lonlat_bounds() if grid.crs else None
    except UserError:  # a local CRS
        bounds = None
    if bounds is None or not np.isfinite(ring).all():
        return {"geometry": None}
    return outline(ring, bounds)


def _times(modified: float | None) -> dict[str, Any]:
    """Return when the image was taken: nothing is known, but that it was before the map's file was last changed."""
    latest = datetime.fromtimestamp(modified, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if modified else LATEST
    return {"datetime": None, "start_datetime": EARLIEST, "end_datetime": latest}


def _projection(embedded: EmbeddedMap) -> dict[str, Any]:
    """Return the CRS, and the raster with one pixel a tile."""
    crs, tiles = embedded.map_grid.crs, embedded.tiles
    authority = crs.to_authority(confidence_threshold=100) if crs else None  # by default similar ones count as equal
    code = ":".join(authority) if authority else None
    metre = crs.linear_units_factor[1] if crs and crs.is_projected else None
    side = abs(embedded.map_grid.transform.determinant) ** 0.5
    return {
        "proj:code": code,
        **({"proj:projjson": crs.to_dict(projjson=True)} if crs and not code else {}),
        "proj:shape": [tiles.rows, tiles.columns],
        "proj:transform": list(tiles.raster_transform(embedded.map_grid.transform))[:6],
        **({"gsd": tiles.stride * side * metre} if metre else {}),
    }


def _embedding(embedded: EmbeddedMap) -> dict[str, Any]:
    """Return the fields of the Embedding extension."""
    about, tiles = embedded.about, embedded.tiles
    layout = {
        "layout_type": "regular_grid", "chip_size": [tiles.size, tiles.size], "stride": [tiles.stride, tiles.stride],
    }  # fmt: skip
    kept = ("window", "uncovered", "tiles", "with_data", "unit_length", "clipped", "network", "map")
    return {
        "emb:quantization": _quantisation(embedded),
        "emb:fit_for_use": ["similarity_search", "classification"],
        "emb:runtime_parameters": {
            "emb:type": "chip", "emb:dimensions": embedded.dimensions, "emb:chip_layout": layout,
            **{name: about[name] for name in kept},
        },
    }  # fmt: skip


def _quantisation(embedded: EmbeddedMap) -> dict[str, Any]:
    if embedded.about["type"] == "float32":
        return {"method": "none", "original_dtype": "float32"}
    scale, offset = [embedded.scale], [0]
    return {
        "method": "linear", "original_dtype": "float32", "quantized_dtype": "int8", "scale": scale, "offset": offset,
    }  # fmt: skip


def _bands(embedded: EmbeddedMap) -> list[str]:
    """Return the names of the map's bands, or the numbers of those that have none."""
    fingerprint = embedded.about["map"]
    names = fingerprint.get("band_names") or [""] * len(fingerprint["bands"])
    return [name or f"band {number}" for name, number in zip(names, fingerprint["bands"])]


def _model(embedded: EmbeddedMap) -> dict[str, Any]:
    """Return the fields of the Machine Learning Model extension."""
    about, size = embedded.about, embedded.tiles.size
    bands = _bands(embedded)
    return {
        "mlm:name": f"metric embedding {about['network']['sha256'][:12]}",
        "mlm:architecture": about["network"]["network"],
        "mlm:framework": "PyTorch",
        "mlm:tasks": TASKS,
        "mlm:input": [
            {
                "name": "tile",
                "description": "pixel values as the map has them; the network normalises them",
                "bands": bands,
                "input": {
                    "shape": [-1, len(bands), size, size], "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": about["map"]["type"],
                },
            }
        ],
        "mlm:output": [
            {
                "name": "embedding",
                "tasks": TASKS,
                "result": {
                    "shape": [-1, embedded.dimensions], "dim_order": ["batch", "embedding"], "data_type": "float32",
                },
            }
        ],
    }  # fmt: skip


def _embeddings_asset(embedded: EmbeddedMap, path: Path, output: Path) -> dict[str, Any]:
    invalid = NODATA if embedded.about["type"] == "int8" else "nan"
    return {
        "href": _reference(output, path), "type": MEDIA_TYPES[output.suffix.lower()], "roles": ["data"],
        "title": "an embedding for each tile", "data_type": embedded.about["type"], "nodata": invalid,
    }  # fmt: skip


def _model_asset(embedded: EmbeddedMap, path: Path) -> dict[str, Any]:
    network = embedded.about["network"]
    return {
        "href": _reference(network["checkpoint"], path), "type": "application/octet-stream; application=pytorch",
        "roles": ["mlm:model", "mlm:checkpoint"], "mlm:artifact_type": "torch.save",
        "title": "checkpoint of the network", "file:checksum": SHA256_MULTIHASH + network["sha256"],
        "eo:bands": [{"name": name} for name in _bands(embedded)],
    }  # fmt: skip


def _reference(target: Path | str, path: Path) -> str:
    """Return how the JSON file refers to another file; addresses stay."""
    text = str(target)
    return text if "://" in text else Path(os.path.relpath(text, path.parent)).as_posix()
