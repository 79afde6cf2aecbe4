"""The folders of a run's embedded maps: their names, their descriptions, and which of them are of a network and map."""

import hashlib
import json
import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import ABOUT, EmbeddedMap, open_embedded
from inference.core.tile_grid import TileGrid
from inference.core.trained_run import TrainedRun
from inference.embedding.quantisation import Quantisation

log = logging.getLogger(__name__)
FORMAT = 4  # of an embedded map; increase it when its files, or the embeddings of a map, change
EMBEDDED = "embedded"  # folder of a run's embedded maps
INCOMPLETE = ".incomplete"  # end of the name of a folder that is not complete yet


def embedded_folder(run: TrainedRun, image: TiffReader, stride: int, float32: bool = False) -> Path:
    """Return the folder of an embedded map; it changes with network, map, its place, grid and type."""
    georeference = str(image.crs), list(image.transform)  # a file beside the map may say these, and may be corrected
    identity = FORMAT, run.digest, image.key, georeference, list(image.window), run.config.max_nodata, stride, float32
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    stem = re.sub(r"[^\w.-]", "_", "-".join(filter(None, [Path(image.source.map_files.name).stem, run.date])))
    return run.folder / EMBEDDED / f"{stem}-{stride}px-{digest[:8]}"


def complete_maps(run: TrainedRun, image: TiffReader) -> list[EmbeddedMap]:
    """Return the complete embedded maps of the network and the part of the map in use."""
    maps = []
    for path in sorted((run.folder / EMBEDDED).glob(f"*/{ABOUT}")):
        if path.parent.suffix == INCOMPLETE:
            continue
        each = open_embedded(path.parent)
        same = embedded_folder(run, image, each.tiles.stride, each.about["type"] == "float32")
        if same == each.folder:
            maps.append(each)
    return maps


def log_earlier_maps(run: TrainedRun) -> None:
    """Log which embedded maps an earlier network in the same checkpoint has made, or an earlier revision of this file.

    After those training went on; the others may hold other embeddings of the same map.
    """
    earlier = []
    for path in sorted((run.folder / EMBEDDED).glob(f"*/{ABOUT}")):
        with suppress(OSError, ValueError, LookupError, TypeError):  # damaged: of no use either, but not of this kind
            about = json.loads(path.read_text(encoding="utf8"))
            of = about["network"]["sha256"], about["format"]
            if of != (run.digest, FORMAT) and Path(about["network"]["checkpoint"]).name == run.checkpoint.name:
                earlier.append(str(path.parent))
    if earlier:
        log.info(
            "Made by an earlier network of the run or an earlier revision of the program, and not used any more: %s. "
            "You may remove them", ", ".join(earlier),
        )  # fmt: skip


def describe_map(run: TrainedRun, image: TiffReader, tiles: TileGrid, quantisation: Quantisation) -> dict[str, Any]:
    """Return what about.json of an embedded map says, but for what is counted."""
    crs = image.grid.crs
    return {
        "format": FORMAT,
        "image_size": tiles.size, "stride": tiles.stride, "window": list(tiles.window),
        "size": [image.width, image.height], "crs": crs.to_wkt() if crs else None,
        "transform": list(image.transform)[:6], "uncovered": list(tiles.uncovered()), "tiles": len(tiles),
        "dimensions": run.config.output_size, "type": quantisation.dtype.name, "scale": quantisation.scale,
        "scale_from": quantisation.source, "unit_length": run.config.norm_output,
        "network": {
            "checkpoint": str(run.checkpoint), "sha256": run.digest, "run": str(run.folder),
            "network": run.config.network, "step": run.step,
        },
        "map": image.fingerprint() | ({"date": run.date} if run.date else {}),
    }  # fmt: skip
