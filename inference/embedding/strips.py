"""Computes the embeddings of a map strip by strip: reading ahead, the network, and writing overlap.

A strip is some rows of tiles. Its batches depend on nothing but the grid and the map, so that a strip that is computed
again, after the process was killed, holds the same bytes.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from config import UserError
from dataProcessors.prepared.array_file import ArrayFile
from dataProcessors.sampling.nodata_limit import NodataLimit
from dataProcessors.sampling.reading_ahead import read_ahead
from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import VALID, VECTORS
from inference.core.tile_grid import TileGrid
from inference.core.trained_run import TrainedRun
from inference.embedding.quantisation import Quantisation
from storage import convert_write_errors, sync
from training.execution.device import PendingTensor
from training.execution.tile_batches import in_batches

log = logging.getLogger(__name__)
STRIP_TILES = 2048  # of a strip, at least, unless the map has fewer
STRIPS = "strips.npy"  # of each strip the number of clipped values; NOT_DONE: it is not complete
NOT_DONE = -1
SHARED = "all machines must see the same folder of the run. Use a folder that they share."


class Strip(NamedTuple):
    """Rows of tiles: its number, the positions (n, 2) of its tiles, and which of them have enough data (n,) bool."""

    number: int
    positions: np.ndarray
    valid: np.ndarray


class Batch(NamedTuple):
    """Tiles of a strip on the device, for one forward pass; None: there are none. Whether it is the strip's last."""

    strip: Strip
    tiles: PendingTensor | None
    is_last: bool


class StripWriter:
    """The files of an embedded map while it is made, in a folder that a later process can go on with.

    Args:
        folder: of the unfinished map, with the files of `make_files`
        tiles: the grid
        dimensions: D
        quantisation: how embeddings are stored
    """

    def __init__(self, folder: Path, tiles: TileGrid, dimensions: int, quantisation: Quantisation):
        self.folder, self.tiles, self.dimensions, self.quantisation = folder, tiles, dimensions, quantisation
        self.rows = strip_rows(tiles)
        self.vectors, self.valid, self.strips = _array_files(folder, tiles, dimensions, quantisation.dtype)
        self.look_again()

    def look_again(self) -> None:
        """Read anew which strips are complete: other processes write some."""
        self.clipped = np.load(self.folder / STRIPS, allow_pickle=False)

    def missing(self) -> np.ndarray:
        """Return the numbers (m,) of the strips that are not complete."""
        return np.flatnonzero(self.clipped == NOT_DONE)

    def numbers(self, strip: int) -> np.ndarray:
        """Return the numbers (n,) of the tiles of a strip."""
        columns = self.tiles.columns
        return np.arange(strip * self.rows * columns, min((strip + 1) * self.rows * columns, len(self.tiles)))

    def write(self, strip: int, valid: np.ndarray, embeddings: np.ndarray) -> None:
        """Write a strip: which of its tiles (n,) have an embedding, and these (valid.sum(), D). Then it is complete."""
        stored, clipped = self.quantisation.stored(embeddings)
        vectors = self.quantisation.missing(len(valid), self.dimensions)
        vectors[valid] = stored
        first = int(self.numbers(strip)[0])
        with convert_write_errors(self.folder):
            self.vectors.write(first, vectors)
            self.valid.write(first, valid)
            for file in (self.vectors, self.valid):
                sync(file.path)
            self.strips.write(strip, np.array([clipped]))
        self.clipped[strip] = clipped


def strip_rows(tiles: TileGrid) -> int:
    """Return how many rows of tiles a strip has; the last one may have fewer."""
    return min(tiles.rows, -(-STRIP_TILES // tiles.columns))


def make_files(folder: Path, tiles: TileGrid, dimensions: int, dtype: np.dtype) -> None:
    """Make the files of an embedded map of which no strip is done; arguments: see StripWriter. dtype: of its vectors.

    Raises:
        OSError: the disk refuses it
    """
    *_, strips = _array_files(folder, tiles, dimensions, dtype)
    strips.write(0, np.full(strips.shape, NOT_DONE))


def _array_files(folder: Path, tiles: TileGrid, dimensions: int, dtype: np.dtype) -> tuple[ArrayFile, ...]:
    """Return the files of the vectors, of which tiles have one, and of which strips are done."""
    return (
        ArrayFile(folder / VECTORS, dtype, (len(tiles), dimensions)),
        ArrayFile(folder / VALID, np.dtype(bool), (len(tiles),)),
        ArrayFile(folder / STRIPS, np.dtype(np.int64), (-(-tiles.rows // strip_rows(tiles)),)),
    )


def embed_strips(run: TrainedRun, image: TiffReader, limit: NodataLimit, writer: StripWriter) -> None:
    """Compute and write the strips that are missing; each of several processes takes its share, then waits for all.

    Raises:
        UserError: an embedding is not finite, or what another process has written is not seen here
        StorageError: the disk refuses a write
    """
    processes = run.processes
    missing = processes.broadcast(lambda: writer.missing().tolist())  # some are written while others still look
    done = len(writer.tiles) - _tiles(writer, missing)
    _embed_share(run, image, limit, writer, processes.share.of(missing), done)
    processes.barrier()
    if not processes.is_first:
        return  # the first process goes on, and soon gives the folder another name
    writer.look_again()
    if len(writer.missing()):
        raise UserError(
            f"{writer.folder}: {len(writer.missing())} strips of tiles of other processes did not get there: {SHARED}"
        )


def _tiles(writer: StripWriter, strips: list[int]) -> int:
    return sum(len(writer.numbers(strip)) for strip in strips)


def _embed_share(
    run: TrainedRun, image: TiffReader, limit: NodataLimit, writer: StripWriter, missing: list[int], done: int
) -> None:
    """Compute and write the strips of this process. done: number of tiles that were there, for the progress bar."""
    total = done + _tiles(writer, missing)
    bar = tqdm(total=total, initial=done, desc="embedding", unit="tile", disable=None)
    with ThreadPoolExecutor(1, "strips") as thread, bar:
        pending: deque[Future[None]] = deque()
        for strip, valid, embeddings in _embedded(run, image, limit, writer, missing):
            pending.append(thread.submit(writer.write, strip, valid, embeddings))
            if len(pending) > 1:
                pending.popleft().result()  # memory holds few strips, and an error of the disk ends the work
            bar.update(len(valid))
        for each in pending:
            each.result()


def _embedded(
    run: TrainedRun, image: TiffReader, limit: NodataLimit, writer: StripWriter, strips: list[int]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield strip, which of its tiles have enough data (n,), and the embeddings (m, D) of these."""

    def check(strip: int) -> Strip:
        positions = writer.tiles.positions(writer.numbers(strip))
        return Strip(strip, positions, limit.accepts(positions))

    checked = read_ahead(partial(check, strip) for strip in strips)
    done = []
    for batch, embeddings in _forward(run, read_ahead(_tasks(run, image, checked)), writer.dimensions):
        done.append(embeddings)
        if batch.is_last:
            yield batch.strip.number, batch.strip.valid, np.concatenate(done)
            done = []


def _tasks(run: TrainedRun, image: TiffReader, strips: Iterator[Strip]) -> Iterator[Callable[[], Batch]]:
    """Yield functions that read the batches of strips; a strip without any tile to embed has one empty batch."""
    size = run.config.image_size

    def read(strip: Strip, positions: np.ndarray, is_last: bool) -> Batch:
        tiles = run.execution.start_upload(image.read(positions, size)) if len(positions) else None
        return Batch(strip, tiles, is_last)

    for strip in strips:
        positions = strip.positions[strip.valid]
        parts = in_batches(positions, size) or [positions]
        for number, part in enumerate(parts, 1):
            yield partial(read, strip, part, number == len(parts))


def _forward(run: TrainedRun, batches: Iterator[Batch], dimensions: int) -> Iterator[tuple[Batch, np.ndarray]]:
    """Yield batches with their embeddings (n, D); on a GPU the next batch is started before one is waited for."""
    empty = np.zeros((0, dimensions), np.float32)
    pending: deque[tuple[Batch, Callable[[], np.ndarray]]] = deque()
    for batch in batches:
        pending.append((batch, (lambda: empty) if batch.tiles is None else run.start_embedding(batch.tiles())))
        if len(pending) > run.execution.max_pending_steps:
            first, wait = pending.popleft()
            yield first, wait()
    for first, wait in pending:
        yield first, wait()
