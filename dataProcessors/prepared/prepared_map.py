"""Prepared maps: a map decoded once into a file of uncompressed blocks, from which tiles are copied in memory.

The bands of a pixel lie side by side, as a network in channels_last layout takes them:
a row of a tile is then one piece of memory to copy instead of one per band.
"""

import ctypes
import json
import logging
import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tokenize import TokenError  # raised for a damaged header of a .npy file
from typing import Any

import numpy as np

from dataProcessors.labels.label_maps import LabelMap
from dataProcessors.prepared.blocks import BLOCK, Summary, block_shape, overview_step
from dataProcessors.prepared.kept_folder import kept_folder
from dataProcessors.prepared.preparation import ABOUT, BLOCKS, Preparation, source_files
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_map import ImageMap
from dataProcessors.rasters.opening import MapError
from storage import Lock, StorageError, convert_write_errors, remove_folder, rename_folder, write_text

try:
    import resource
except ImportError:  # not available on every system
    resource = None  # type: ignore[assignment]  # a module, or None

log = logging.getLogger(__name__)
CAN_PREFETCH = hasattr(os, "posix_fadvise") and hasattr(resource, "RUSAGE_THREAD")
# errors of opening a prepared map if a file is missing, truncated or not as expected
DAMAGE_ERRORS = (
    FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError, KeyError, EOFError, TypeError, TokenError,
)  # fmt: skip


class PreparedMap:
    """Blocks and summary of a prepared map, read from its folder.

    The pixels stay in the file, mapped into memory: private memory does not grow with the map.

    Args:
        folder: of the prepared map
        window, dtype, bands, overview_bands: what the folder must hold; the last two are numbers of bands
    Attributes:
        channels: of the pixels: the bands and, if `has_validity`, a last one that says where there is data
        without_data: who said that pixels are without data -> of how many

    Raises:
        DAMAGE_ERRORS: a file is missing, truncated or not as expected
        OSError: the operating system cannot open a file
    """

    def __init__(self, folder: Path, window: Window, dtype: np.dtype, bands: int, overview_bands: int):
        self._lock = Lock.share(folder)  # while a process uses the map, no other removes it
        weakref.finalize(self, self._lock.release)
        about = json.loads((folder / ABOUT).read_text(encoding="utf8"))
        self.window, self.without_data = window, dict(about["without_data"])
        self.has_validity = bool(about["has_validity"])
        self.channels = bands + self.has_validity
        self.blocks = np.load(folder / BLOCKS, mmap_mode="r", allow_pickle=False)  # (rows, columns, y, x, C)
        self.summary = Summary(window, np.load(folder / "counts.npy", allow_pickle=False))
        self.overview = np.load(folder / "overview.npy", mmap_mode="r", allow_pickle=False)
        found: tuple[object, ...] = about["window"], self.blocks.shape, self.blocks.dtype, self.summary.counts.shape[1:]
        found += self.overview.shape, self.overview.dtype
        rows_columns, step = block_shape(window), overview_step(window)
        expected: tuple[object, ...] = list(window), (*rows_columns, BLOCK, BLOCK, self.channels), dtype, rows_columns
        expected += (overview_bands + self.has_validity, -(-window.height // step), -(-window.width // step)), dtype
        if found != expected:
            raise ValueError(f"holds {found} instead of {expected}")
        # prefetch only while batches still come from the disk; for blocks in memory it would only cost time
        self._from_disk = CAN_PREFETCH
        self._descriptor = os.open(folder / BLOCKS, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._lines = np.asarray(self.blocks).reshape(*self.blocks.shape[:3], -1)  # faster to slice than a memmap

    def read(self, positions: np.ndarray, size: int, out: np.ndarray) -> np.ndarray:
        """Copy the tiles at positions (N, 2), all inside the window, into out (N, size, size, C)."""
        bands = out.shape[-1]
        blocks, tiles = self._lines, out.reshape(len(out), size, size * bands)
        corners = positions - self.window[:2]
        read_before = _disk_reads()
        if self._from_disk:
            self._prefetch(corners, size)
        for tile, (x, y) in zip(tiles, corners.tolist()):
            row, top = divmod(y, BLOCK)
            filled_rows = 0
            while filled_rows < size:
                height = min(BLOCK - top, size - filled_rows)
                column, left = divmod(x * bands, BLOCK * bands)
                filled = 0
                while filled < size * bands:
                    width = min(BLOCK * bands - left, size * bands - filled)
                    tile[filled_rows : filled_rows + height, filled : filled + width] = blocks[
                        row, column, top : top + height, left : left + width
                    ]
                    filled, column, left = filled + width, column + 1, 0
                filled_rows, row, top = filled_rows + height, row + 1, 0
        self._from_disk = _disk_reads() > read_before
        return out

    def _prefetch(self, corners: np.ndarray, size: int) -> None:
        """Ask the system to read the blocks of all tiles at once: much faster than one by one while they are copied."""
        columns, block_bytes = self.blocks.shape[1], self.blocks[0, 0].nbytes
        first, last = corners // BLOCK, (corners + size - 1) // BLOCK
        for column, row, to_column, to_row in np.concatenate([first, last], 1).tolist():
            length = (to_column + 1 - column) * block_bytes
            for each in range(row, to_row + 1):
                start = self.blocks.offset + (each * columns + column) * block_bytes
                os.posix_fadvise(self._descriptor, start, length, os.POSIX_FADV_WILLNEED)


def _disk_reads() -> int:
    """Return how much this thread has read from disks, in the system's units; 0 on systems without this count."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_inblock if CAN_PREFETCH else 0


def open_prepared(
    source: ImageMap | LabelMap,
    key: str,
    window: Window,
    count: Callable[[np.ndarray], np.ndarray],
    cache: Path,
    threads: int,
) -> PreparedMap:
    """Open the prepared map `key`; prepare it first if it is not in `cache`, or again if it is damaged.

    It is prepared under another name and renamed when complete, so an interrupted preparation leaves nothing that
    looks like a prepared map; the next one goes on with what it has finished. Of two runs that need the same map at the
    same time, one waits for the other.

    Args:
        source: the map to decode
        key: name of the folder; differs for every other content
        window: part of the grid to decode; its upper-left corner is a multiple of BLOCK
        count: pixels (C, h, w) of whole blocks -> counts (K, rows, columns)
        cache: folder of all prepared maps
        threads: threads that decode
    Raises:
        MapError: there is not enough free disk space, or the source is damaged
        StorageError: the disk refuses a write
    """
    folder = cache / key
    content = window, source.dtype, len(source.bands), len(source.overview_bands)
    if folder.exists():
        try:
            prepared = _open_folder(folder, *content)
            _note_use(folder, source)
            return prepared
        except DAMAGE_ERRORS as error:
            damage = str(error)
        log.warning("%s: the prepared map is damaged (%s). It is prepared again", folder, damage)
        remove_folder(folder)
    with convert_write_errors(folder), kept_folder(folder) as unfinished:
        if unfinished is not None:
            _prepare(source, window, count, unfinished, threads)
            rename_folder(unfinished, folder)
    _release_memory()
    return _open_folder(folder, *content)


def _prepare(
    source: ImageMap | LabelMap, window: Window, count: Callable[[np.ndarray], np.ndarray], folder: Path,
    threads: int,
) -> None:  # fmt: skip
    try:
        preparation = Preparation(source, window, count, folder)
    except DAMAGE_ERRORS:  # what an earlier process left cannot be used
        for path in folder.iterdir():
            path.unlink()
        preparation = Preparation(source, window, count, folder)
    preparation.run(threads)


def _open_folder(folder: Path, *content: Any) -> PreparedMap:
    try:
        return PreparedMap(folder, *content)
    except DAMAGE_ERRORS:
        raise
    except OSError as error:  # perhaps temporary: a map that took hours to prepare is not removed
        raise MapError(f"{folder}: the prepared map cannot be opened: {error}. Try again.") from None


def _note_use(folder: Path, source: ImageMap | LabelMap) -> None:
    """Keep in a prepared map when it was last used, as the time of its ABOUT, and where its source lies by now."""
    path = folder / ABOUT
    about = json.loads(path.read_text(encoding="utf8"))
    with suppress(OSError, StorageError):  # a cache that is only read is used all the same
        if about.get("source") == source_files(source)["source"]:
            os.utime(path)
        else:
            write_text(path, json.dumps(about | source_files(source), indent=1))


def _release_memory() -> None:
    """Return freed memory to the system: the C library would keep some 100 MB of the decoded chunks."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:  # only glibc has it
        trim(0)
