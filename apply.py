"""Applies a trained network to whole maps: what the verbs embed, classify and search do."""

from collections.abc import Sequence
from pathlib import Path

from inference import embed
from inference.outputs import check_new_file
from inference.points import embed_points
from inference.trained_run import open_trained


def embed_tiles(
    path: Path, overrides: Sequence[str], stride: int | None, float32: bool, points: Path | None, output: Path | None
) -> str:
    """Embed a map, or the tiles around points, and return a sentence on what was written; see `inference.embed`."""
    if points is None:
        embedded = embed(path, output=output, stride=stride, float32=float32, overrides=overrides)
        count = f"{embedded.about['with_data']:,} of {len(embedded.tiles):,} tiles have an embedding"
        return f"{count}, {embedded.dimensions} numbers each. They are in {output or embedded.folder}"
    table = output or points.with_name(f"{points.stem}-embeddings.csv")
    check_new_file(table, [".csv"])
    run = open_trained(path, overrides)
    embed_points(run, run.open_image(), points, table)
    return f"The table is {table}"
