"""Prepared maps: a map decoded once into a file of uncompressed blocks, from which any tile is a copy of memory.

The bands of a pixel lie side by side, as a network in channels_last layout takes them:
a row of a tile is then one piece of memory to copy instead of one per band.
"""

import ctypes
import json
import logging
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError  # of a damaged header of a .npy file

import numpy as np

from dataProcessors.legends.label_source import LabelSource
from dataProcessors.prepared.blocks import BLOCK, Summary, block_shape, overview_step
from dataProcessors.prepared.preparation import Preparation
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.opening import MapError
from storage import convert_write_errors, remove_folder, rename_folder, temporary_folder

try:
    import resource
except ImportError:  # not on every system
    resource = None

log = logging.getLogger(__name__)
CAN_PREFETCH = hasattr(os, "posix_fadvise") and hasattr(resource, "RUSAGE_THREAD")
# what opening a prepared map may end in if a file is missing, cut off, or another one
DAMAGE_ERRORS = (
    FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError, KeyError, EOFError, TypeError, TokenError,
)  # fmt: skip


class PreparedMap:
    """Blocks and summary of a prepared map, as they lie in its folder.

    The pixels stay in the file, mapped into memory: private memory does not grow with the map.

    Args:
        folder: of the prepared map
        window, dtype, bands: what it must hold
    Raises:
        DAMAGE_ERRORS: a file is missing, cut off, or another one
        OSError: the system refuses to open it
    """

    def __init__(self, folder: Path, window: Window, dtype: np.dtype, bands: int):
        about = json.loads((folder / "about.json").read_text(encoding="utf8"))
        self.window = window
        self.blocks = np.load(folder / "blocks.npy", mmap_mode="r", allow_pickle=False)  # (rows, columns, y, x, C)
        self.summary = Summary(window, np.load(folder / "counts.npy", allow_pickle=False))
        self.overview = np.load(folder / "overview.npy", mmap_mode="r", allow_pickle=False)
        found = about["window"], self.blocks.shape, self.blocks.dtype, self.summary.counts.shape[1:]
        found += self.overview.shape, self.overview.dtype
        rows_columns, step = block_shape(window), overview_step(window)
        expected = list(window), (*rows_columns, BLOCK, BLOCK, bands), dtype, rows_columns
        expected += (bands, -(-window.height // step), -(-window.width // step)), dtype
        if found != expected:
            raise ValueError(f"holds {found} instead of {expected}")
        # while batches still come from the disk their blocks are announced; in memory that would only cost time
        self._from_disk = CAN_PREFETCH
        self._descriptor = os.open(folder / "blocks.npy", os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._lines = np.asarray(self.blocks).reshape(*self.blocks.shape[:3], -1)  # plain arrays are cut up faster

    def read(self, positions: np.ndarray, size: int, out: np.ndarray) -> np.ndarray:
        """Copy the tiles at positions (N, 2), all inside the window, into out (N, size, size, C)."""
        bands = out.shape[-1]
        blocks, tiles = self._lines, out.reshape(len(out), size, size * bands)
        corners = positions - self.window[:2]
        read_before = _read_from_disk()
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
        self._from_disk = _read_from_disk() > read_before
        return out

    def _prefetch(self, corners: np.ndarray, size: int) -> None:
        """Have the system read the blocks of all tiles at once: much faster than one by one, when they are copied."""
        columns, block_bytes = self.blocks.shape[1], self.blocks[0, 0].nbytes
        first, last = corners // BLOCK, (corners + size - 1) // BLOCK
        for column, row, to_column, to_row in np.concatenate([first, last], 1).tolist():
            length = (to_column + 1 - column) * block_bytes
            for each in range(row, to_row + 1):
                start = self.blocks.offset + (each * columns + column) * block_bytes
                os.posix_fadvise(self._descriptor, start, length, os.POSIX_FADV_WILLNEED)


def _read_from_disk() -> int:
    """What this thread has read from disks so far, in units of the system; 0 on systems that do not tell."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_inblock if CAN_PREFETCH else 0


def open_prepared(
    source: ImageSource | LabelSource,
    key: str,
    window: Window,
    count: Callable[[np.ndarray], np.ndarray],
    cache: Path,
    threads: int,
) -> PreparedMap:
    """The prepared map `key`, made first if it does not lie in `cache` yet, and anew if what lies there is damaged.

    It is made under a temporary name and renamed when whole, so a broken-off preparation leaves nothing that could be
    taken for a map, and two runs that prepare the same map at the same time both end well.

    Args:
        source: the map to decode
        key: name of the folder; changes with everything that changes the content
        window: part of the grid to decode; its corner lies on a multiple of BLOCK
        count: pixels (C, h, w) of whole blocks -> counts (K, rows, columns)
        cache: folder of all prepared maps
        threads: threads that decode
    Raises:
        MapError: the disk has no room for it, or the source is damaged
        StorageError: the disk refuses it
    """
    folder = cache / key
    content = window, source.dtype, len(source.bands)
    if folder.exists():
        try:
            return _opened(folder, *content)
        except DAMAGE_ERRORS as error:
            damage = str(error)
        log.warning("%s is damaged, and made again: %s", folder, damage)
        remove_folder(folder)
    with convert_write_errors(folder), temporary_folder(cache) as temporary:
        Preparation(source, window, count, temporary).run(threads)
        rename_folder(temporary, folder)  # unless another run was faster with the same content
    _release_memory()
    return _opened(folder, *content)


def _opened(folder: Path, window: Window, dtype: np.dtype, bands: int) -> PreparedMap:
    try:
        return PreparedMap(folder, window, dtype, bands)
    except DAMAGE_ERRORS:
        raise
    except OSError as error:  # of the system, and may pass: nothing that took hours is removed for it
        raise MapError(f"{folder}: the prepared map cannot be opened: {error}. Try again.") from None


def _release_memory() -> None:
    """Have the C library return what was freed: it would keep some 100 MB of the chunks that were decoded."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:  # of glibc
        trim(0)
