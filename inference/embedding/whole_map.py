"""Embeds a map: the embedding of every tile of a regular grid, kept in the folder of the run."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from config import UserError
from dataProcessors.maps import nodata_limit
from dataProcessors.sampling.nodata_limit import NodataLimit
from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import ABOUT, VALID, EmbeddedMap, open_embedded
from inference.core.matching_maps import warn_about_other_statistics
from inference.core.tile_grid import TileGrid
from inference.core.trained_run import TrainedRun
from inference.embedding.heaps import limit_heaps
from inference.embedding.map_folders import INCOMPLETE, complete_maps, describe_map, embedded_folder, log_earlier_maps
from inference.embedding.quantisation import SAMPLE_TILES, Quantisation, choose_quantisation
from inference.embedding.strips import SHARED, STRIPS, StripWriter, embed_strips, make_files
from storage import (
    Lock,
    StorageError,
    check_space,
    convert_write_errors,
    remove_folder,
    remove_partial_files,
    rename_folder,
    temporary_folder,
    write_text,
)
from training.execution.tile_batches import in_batches
from training.runs.interruption import Interrupted

log = logging.getLogger(__name__)
COG_NAME = "embeddings.tif"  # of the file for other programs in the folder of an embedded map
NO_LOCK = Lock(None, False)  # of all processes but the first


class NoDataError(UserError):
    """No tile of a map has enough data."""


def embed_map(run: TrainedRun, image: TiffReader, stride: int | None = None, float32: bool = False) -> EmbeddedMap:
    """Return the embedded map of a run's network and an image map: open it if it is there, else make it.

    What a stopped process has made of it is used. It is kept in RUN/embedded/MAP-STRIDEpx-DIGEST. Several processes
    share the strips of tiles among them, and write them into the same folder, which all must see.

    Args:
        run: the network
        image: the map; see `TrainedRun.open_image`
        stride: pixels from one tile to the next; None: the side of a tile
        float32: store the embeddings as they are; else in 8 bits
    Raises:
        UserError: the map holds no tile with enough data, or another process makes the same
        StorageError: the disk is too small, or refuses a write
    """
    tiles = tile_grid(run, image, stride)
    folder = embedded_folder(run, image, tiles.stride, float32)
    check_same_work(run, image, tiles)
    limit_heaps()
    if not run.processes.broadcast(folder.exists):
        _make(run, image, tiles, float32, folder)
    else:
        log.info("%s: the map is embedded already", folder)
    return open_embedded(folder)


def check_same_work(run: TrainedRun, image: TiffReader, tiles: TileGrid) -> None:
    """Raise a UserError if this process has another network, map or folder than the first one."""
    if run.processes.are_many:
        own = [run.digest, image.fingerprint()["content"], list(image.window), tiles.stride]
        if run.processes.broadcast(lambda: own) != own:
            raise UserError(
                f"{run.checkpoint} or {image.path}: the first process has another file there, or another part of it "
                "in use. All machines need the same network and map."
            )


def tile_grid(run: TrainedRun, image: TiffReader, stride: int | None = None) -> TileGrid:
    """Return the grid of tiles over the part of a map in use; stride: None: the side of a tile."""
    size = run.config.image_size
    return TileGrid(image.window, size, size if stride is None else stride)


def find_embedded(run: TrainedRun, image: TiffReader, stride: int | None = None) -> EmbeddedMap:
    """Return the embedded map of a run's network and an image map; without a stride that of the smallest one.

    Of two that differ in their type alone, it is the one in 8 bits. If there is none, the map is embedded first.

    Raises:
        UserError, StorageError: see `embed_map`
    """
    found = [each for each in complete_maps(run, image) if stride in (None, each.tiles.stride)]
    if found:
        chosen = min(found, key=lambda each: (each.tiles.stride, each.about["type"] != "int8"))
        log.info("%s: the embedded map that is used, with a tile every %d px", chosen.folder, chosen.tiles.stride)
        return chosen
    log.info("%s is not embedded yet by this network: that is done first", image.path)
    return embed_map(run, image, stride)


def _make(run: TrainedRun, image: TiffReader, tiles: TileGrid, float32: bool, folder: Path) -> None:
    unfinished = folder.with_name(folder.name + INCOMPLETE)
    lock = _begin(run, image, tiles, float32, unfinished) if run.processes.is_first else NO_LOCK
    try:
        if not run.processes.broadcast((unfinished / ABOUT).exists):  # it is the last one
            _fill(run, image, tiles, float32, unfinished)
        if run.processes.is_first:
            with convert_write_errors(folder):
                (unfinished / STRIPS).unlink(missing_ok=True)
                rename_folder(unfinished, folder)
        run.processes.wait_for_first()
    except NoDataError:  # only the first process finds out
        remove_folder(unfinished)
        raise
    except (Interrupted, StorageError) as error:
        error.add_note("What is done is kept: the same command goes on from there.")
        raise
    finally:
        lock.release()


def _begin(run: TrainedRun, image: TiffReader, tiles: TileGrid, float32: bool, folder: Path) -> Lock:
    """Make the folder of an unfinished map, unless it is there, and return its lock.

    Raises:
        UserError: another process holds the lock
        StorageError: the disk is too small, or refuses a write
    """
    warn_about_other_statistics(run, image)
    log_earlier_maps(run)
    if not folder.exists():
        _make_folder(run, tiles, float32, folder)
    with convert_write_errors(folder):
        lock = Lock.acquire(folder)
    if lock is None:
        raise UserError(
            f"{folder.with_suffix('')}: another process is embedding this map. Wait until it ends, or stop it first."
        )
    remove_partial_files(folder)
    return lock


def _make_folder(run: TrainedRun, tiles: TileGrid, float32: bool, folder: Path) -> None:
    """Make the folder with files that hold no strip yet; it appears when all of them are there."""
    dtype, dimensions = np.dtype(np.float32 if float32 else np.int8), run.config.output_size
    check_space(folder, len(tiles) * dimensions * dtype.itemsize)
    with convert_write_errors(folder), temporary_folder(folder.parent) as new:
        make_files(new, tiles, dimensions, dtype)
        rename_folder(new, folder)  # or another process was faster


def _fill(run: TrainedRun, image: TiffReader, tiles: TileGrid, float32: bool, folder: Path) -> None:
    """Compute the strips that a folder does not hold yet, and describe the embedded map."""
    limit = nodata_limit(run.config, image)
    quantisation = _quantisation(run, float32, lambda: _sample(run, image, tiles, limit))
    if not (folder / STRIPS).exists():
        raise UserError(f"{folder}: the first process has made this folder, and it is not seen here: {SHARED}")
    with convert_write_errors(folder):
        writer = StripWriter(folder, tiles, run.config.output_size, quantisation)
    _log_start(image, tiles, writer)
    embed_strips(run, image, limit, writer)
    if not run.processes.is_first:
        return
    with_data = int(np.load(folder / VALID, mmap_mode="r", allow_pickle=False).sum())
    if not with_data:
        raise NoDataError(_no_data(image, run))
    clipped = int(writer.clipped.sum()) / (with_data * run.config.output_size)
    if clipped:
        log.warning("%.3g%% of the values are beyond the scale and were clipped", 100 * clipped)
    about = describe_map(run, image, tiles, quantisation) | {"with_data": with_data, "clipped": clipped}
    write_text(folder / ABOUT, json.dumps(about, indent=1) + "\n")


def _quantisation(run: TrainedRun, float32: bool, sample: Callable[[], np.ndarray]) -> Quantisation:
    """Return how the embeddings are stored, as the first process chooses it."""

    def choose() -> tuple[str, float, str]:
        chosen = choose_quantisation(float32, run.config.norm_output, sample)
        return chosen.dtype.name, chosen.scale, chosen.source

    dtype, scale, source = run.processes.broadcast(choose)
    return Quantisation(np.dtype(dtype), scale, source)


def _sample(run: TrainedRun, image: TiffReader, tiles: TileGrid, limit: NodataLimit) -> np.ndarray:
    """Return the embeddings (n, D) of up to SAMPLE_TILES tiles from all over the map, the same at every call.

    Raises:
        UserError: none of them has enough data
    """
    drawn = np.random.default_rng(0).choice(len(tiles), min(len(tiles), 16 * SAMPLE_TILES), replace=False)
    positions = tiles.positions(drawn)
    chosen = positions[limit.accepts(positions)][:SAMPLE_TILES]
    if not len(chosen):
        raise NoDataError(_no_data(image, run))
    return np.concatenate([run.embed(image.read(part, tiles.size)) for part in in_batches(chosen, tiles.size)])


def _no_data(image: TiffReader, run: TrainedRun) -> str:
    return (
        f"{image.path}: no tile of the part in use has enough data: at most {run.config.max_nodata:.0%} of its pixels "
        "may be without ('max_nodata' of the run). Choose another 'maps.rect' or 'maps.image'."
    )


def _log_start(image: TiffReader, tiles: TileGrid, writer: StripWriter) -> None:
    right, bottom = tiles.uncovered()
    rest = (
        f"; {right} columns at the right and {bottom} rows at the bottom belong to no tile" if right or bottom else ""
    )
    log.info(
        "%s: %s x %s tiles of %d px, one every %d px%s",
        image.path, f"{tiles.columns:,}", f"{tiles.rows:,}", tiles.size, tiles.stride, rest,
    )  # fmt: skip
    done = len(writer.clipped) - len(writer.missing())
    if done:
        log.info("%d of %d strips are there already, from a process that was stopped", done, len(writer.clipped))
