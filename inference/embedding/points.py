"""Embeds the tiles around the points of a CSV file into a table."""

import csv
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from config import UserError
from dataProcessors.rasters.opening import add_path_to_errors
from dataProcessors.tiffreader import TiffReader
from dataProcessors.vectors.csv_points import PointTable, read_points
from inference.core.centred_tiles import CentredTiles, tiles_around
from inference.core.trained_run import TrainedRun
from storage import staged
from training.execution.tile_batches import max_batch

log = logging.getLogger(__name__)
STATUS = "status"  # column that says why a point has no embedding: "" where it has one
OUTSIDE, NO_DATA = "outside", "no data"


def embed_points(run: TrainedRun, image: TiffReader, source: Path, output: Path) -> None:
    """Write the columns of a CSV file of points and, beside them, the embeddings of the tiles around the points.

    Each tile has its point in its middle; one that reaches beyond the part of the map in use is moved inside. The
    further columns are "status" and e1 to eD. A point outside, or whose tile has too little data, has no values there.

    Args:
        run: the network, and how many pixels of a tile may be without data
        image: the map
        source: columns of longitude and latitude in EPSG:4326, and any others, which are kept; see read_points
        output: CSV file with the same delimiter
    Raises:
        UserError: the points cannot be read, all lie outside, or the map has no place on Earth
        StorageError: the disk refuses a write
    """
    size, table = run.config.image_size, read_points(str(source))
    new = [STATUS, *(f"e{number}" for number in range(1, run.config.output_size + 1))]
    _check_columns(source, table, new)
    with add_path_to_errors(image.path):
        tiles = tiles_around(image.grid, image.window, table.lonlat, size)
    _check_some_inside(source, image, tiles)
    states: list[str] = []
    with staged(output) as folder, (folder / output.name).open("w", encoding="utf8", newline="") as file:
        writer = csv.writer(file, delimiter=table.delimiter, lineterminator="\n")
        writer.writerow(table.header + new)
        for number, (state, embedding) in enumerate(_embedded(run, image, tiles)):
            states.append(state)
            writer.writerow([*_cells(table, number), state, *embedding])
    _log_counts(source, output, states, tiles)


def _embedded(run: TrainedRun, image: TiffReader, tiles: CentredTiles) -> Iterator[tuple[str, list[str]]]:
    """Yield the state of each point, and the values of its embedding (D,), as the shortest texts that keep them."""
    size, empty = run.config.image_size, [""] * run.config.output_size
    step = max_batch(size)
    for start in tqdm(range(0, len(tiles.inside), step), desc="embedding", unit="batch", disable=None):
        inside, positions = tiles.inside[start : start + step], tiles.positions[start : start + step]
        embedded = inside.copy()
        embedded[inside] = image.nodata_share(positions[inside], size) <= run.config.max_nodata
        found = run.embed(image.read(positions[embedded], size)) if embedded.any() else np.zeros((0, len(empty)))
        rows = iter(found.astype(str).tolist())
        for is_inside, has_data in zip(inside, embedded):
            yield ("", next(rows)) if has_data else (NO_DATA if is_inside else OUTSIDE, empty)


def _check_columns(source: Path, table: PointTable, new: list[str]) -> None:
    taken = [name for name in table.header if name in new]
    if taken:
        raise UserError(f"{source}: the column {taken[0]!r} would be there twice in the output. Rename it.")
    for number, row in enumerate(table.rows, 1):
        if any(map(str.strip, row[len(table.header) :])):
            raise UserError(
                f"{source}: row {number} has {len(row)} cells, and there are {len(table.header)} columns. Quote cells "
                f"that hold {table.delimiter!r}."
            )


def _check_some_inside(source: Path, image: TiffReader, tiles: CentredTiles) -> None:
    if not tiles.inside.any():
        covered = ", ".join(f"{value:.4f}" for value in image.grid.part(image.window).lonlat_bounds())
        raise UserError(
            f"{source}: none of the {len(tiles.inside)} points lies in the part of {image.path} in use. That covers "
            f"[{covered}] (west, south, east, north). Are longitude and latitude interchanged?"
        )


def _cells(table: PointTable, number: int) -> list[str]:
    """Return the cells of a row, as many as there are columns."""
    cells = table.rows[number][: len(table.header)]
    return cells + [""] * (len(table.header) - len(cells))


def _log_counts(source: Path, output: Path, states: list[str], tiles: CentredTiles) -> None:
    outside, without = states.count(OUTSIDE), states.count(NO_DATA)
    log.info(
        "%s: %d of %d points of %s are embedded; %d lie outside the part of the map in use, %d have too little data",
        output, len(states) - outside - without, len(states), source, outside, without,
    )  # fmt: skip
    if tiles.moved.any():
        log.info("%d tiles reach beyond the part of the map in use and were moved inside", int(tiles.moved.sum()))
