"""Decodes a map, in chunks on several threads, into the files of a prepared map.

What an earlier process has finished of the same map is kept; see `finished_chunks`.
"""

import json
import logging
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from config.redaction import redacted
from dataProcessors.labels.label_maps import LabelMap
from dataProcessors.prepared.block_file import BlockFile, from_blocks, in_blocks
from dataProcessors.prepared.blocks import BLOCK, block_pixels, block_shape, overview_step, pad
from dataProcessors.prepared.finished_chunks import FinishedChunk, FinishedChunks, checksum
from dataProcessors.rasters.file_identity import file_status
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_map import ImageMap
from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)
ABOUT, BLOCKS = "about.json", "blocks.npy"  # files of a prepared map: its description, its pixels
INCOMPLETE = ".incomplete"  # end of the name of the folder of one that is being prepared, or was interrupted
FORMAT = 4  # version of the prepared files; increase it when their content changes


def source_files(source: ImageMap | LabelMap) -> dict[str, object]:
    """Return where the pixels of a prepared map come from: path, and (path, bytes, time) of each file here."""
    parts: Any = source.read_settings.get("parts", [])
    files = [*map(file_status, source.files), *parts]
    return {"source": redacted(source.path), "files": [list(each) for each in files if each is not None]}


class Preparation:
    """Decodes a map into a folder.

    Args:
        source: the map
        window: part of its grid to decode; its upper-left corner is a multiple of BLOCK
        count: pixels (C, h, w) of whole blocks -> counts (K, rows, columns)
        folder: folder to write to: empty, or with what a preparation of the same left that was interrupted
    Raises:
        MapError: there is not enough free disk space
        ValueError: the folder holds something else
    """

    def __init__(
        self, source: ImageMap | LabelMap, window: Window, count: Callable[[np.ndarray], np.ndarray], folder: Path
    ):
        self.source, self.window, self.count, self.folder = source, window, count, folder
        rows, columns = block_shape(window)
        dtype, shape = source.dtype, (rows, columns, BLOCK, BLOCK, source.channels)
        if not (folder / BLOCKS).exists():
            _check_space(source.path, folder.parent, int(np.prod(shape)) * dtype.itemsize)
            self._write_about()
        self._blocks = BlockFile(folder / BLOCKS, dtype, shape)
        self._finished = FinishedChunks(folder)
        self._without_data: Counter[str] = Counter()
        self._adding = threading.Lock()
        self._counts: dict[tuple[int, int], np.ndarray] = {}  # (row, column) of a chunk's first block -> its counts
        self._step = overview_step(window)
        sides = rows * BLOCK // self._step, columns * BLOCK // self._step
        self._shown = [*source.overview_bands, *([source.channels - 1] if source.has_validity else [])]
        self._overview = np.zeros((len(self._shown), *sides), dtype)

    def run(self, threads: int) -> None:
        """Decode the whole window.

        Raises:
            MapError: the source is damaged
            OSError: the disk refuses a write
        """
        pixels, name = self.window.width * self.window.height, self.source.map_files.name
        bar = tqdm(total=pixels, unit="px", unit_scale=True, desc=f"preparing {name}", disable=None)
        with ThreadPoolExecutor(threads) as pool, bar:
            kept = self._take_finished(pool)
            bar.update(sum(chunk.width * chunk.height for chunk in kept))
            chunks = [chunk for chunk in _chunks(self.window, self.source.chunk) if chunk not in kept]
            futures = [pool.submit(self._prepare, chunk) for chunk in chunks]
            try:
                for future in futures:
                    bar.update(future.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        self._write_summary(self._drop_validity_of_a_whole_map())
        self._finished.remove()

    def _take_finished(self, pool: ThreadPoolExecutor) -> set[Window]:
        """Take over the chunks that an earlier preparation has finished; return them."""
        by_place = {self._place(chunk): chunk for chunk in _chunks(self.window, self.source.chunk)}
        finished = [each for each in self._finished.read() if (each.row, each.column) in by_place]
        taken = pool.map(self._take, finished, (by_place[each.row, each.column] for each in finished))
        kept = {by_place[each.row, each.column] for each, is_whole in zip(finished, taken) if is_whole}
        if kept:
            log.info("%s: goes on with %d chunks that were prepared before", self.source.path, len(kept))
        return kept

    def _take(self, finished: FinishedChunk, chunk: Window) -> bool:
        """Count the pixels of a finished chunk. Return False if it is not in the file as it was written."""
        if block_shape(chunk) != (finished.rows, finished.columns):
            return False
        blocks = self._blocks.read_blocks(finished.row, finished.column, finished.rows, finished.columns)
        if checksum(blocks) != finished.checksum:
            return False
        self._summarise(finished.row, finished.column, from_blocks(blocks), finished.without_data)
        return True

    def _prepare(self, chunk: Window) -> int:
        """Decode a chunk; return its number of pixels."""
        pixels, without_data = _whole_blocks(self.source, chunk)
        self.source.map_files.check_unchanged()
        row, column = self._place(chunk)
        blocks = in_blocks(pixels)
        self._blocks.write_blocks(row, column, blocks)
        self._finished.add(FinishedChunk(row, column, len(blocks), blocks.shape[1], checksum(blocks), without_data))
        self._summarise(row, column, pixels, without_data)
        return chunk.width * chunk.height

    def _place(self, chunk: Window) -> tuple[int, int]:
        """Return row and column of a chunk's first block."""
        return (chunk.y - self.window.y) // BLOCK, (chunk.x - self.window.x) // BLOCK

    def _summarise(self, row: int, column: int, pixels: np.ndarray, without_data: dict[str, int]) -> None:
        """Take the pixels (C, h, w) of a chunk into counts and overview. row, column: of its first block."""
        with self._adding:
            self._without_data.update(without_data)
        self._counts[row, column] = self.count(pixels)
        decimated = pixels[self._shown, :: self._step, :: self._step]
        top, left = row * BLOCK // self._step, column * BLOCK // self._step
        self._overview[:, top : top + decimated.shape[1], left : left + decimated.shape[2]] = decimated

    def _counts_inside(self) -> np.ndarray:
        """Return the counts (K, rows, columns) of the window's pixels; what fills up its last blocks is none."""
        inside = block_pixels(self.window).astype(np.uint16)
        return np.minimum(_joined(self._counts, *block_shape(self.window)), inside)

    def _drop_validity_of_a_whole_map(self) -> bool:
        """Remove the validity from the blocks if it says nothing, so that tiles cost no more than those of other maps.

        Return whether the map has a validity.
        """
        pixels = self.window.width * self.window.height
        if not self.source.has_validity or self._counts_inside().sum(dtype=np.int64) < pixels:
            return self.source.has_validity
        self._blocks.drop_last_channel()
        self._overview = self._overview[:-1]
        return False

    def _write_summary(self, has_validity: bool) -> None:
        height, width = (-(-side // self._step) for side in (self.window.height, self.window.width))
        np.save(self.folder / "overview.npy", self._overview[:, :height, :width])
        np.save(self.folder / "counts.npy", self._counts_inside())
        self._write_about(
            window=list(self.window), block=BLOCK, has_validity=has_validity,
            without_data=dict(sorted(self._without_data.items())),
        )  # fmt: skip

    def _write_about(self, **summary: object) -> None:
        """Write the description: where the map comes from, and once it is complete what it holds."""
        about = {"format": FORMAT, **source_files(self.source), **summary}
        (self.folder / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf8")


def _chunks(window: Window, chunk: tuple[int, int]) -> Iterator[Window]:
    """Yield chunks of the window: whole blocks of ours and, if possible, of the source, whose blocks start at 0, 0."""
    height, width = (max(-(-side // BLOCK) * BLOCK, BLOCK) for side in chunk)
    right, bottom = window.x + window.width, window.y + window.height
    for y in range(window.y // height * height, bottom, height):
        for x in range(window.x // width * width, right, width):
            left, top = max(x, window.x), max(y, window.y)
            yield Window(left, top, min(x + width, right) - left, min(y + height, bottom) - top)


def _whole_blocks(source: ImageMap | LabelMap, chunk: Window) -> tuple[np.ndarray, dict[str, int]]:
    """Read the chunk's pixels (C, h, w), padded to whole blocks at its right and lower edge.

    Return them, and who says that pixels are without data -> of how many.
    """
    pixels, without_data = source.read_counted(*chunk)
    rows, columns = block_shape(chunk)
    if pixels.shape[1:] != (rows * BLOCK, columns * BLOCK):
        pixels = pad(pixels, rows * BLOCK, columns * BLOCK, source.padding)
    return pixels, without_data


def _joined(counts: dict[tuple[int, int], np.ndarray], rows: int, columns: int) -> np.ndarray:
    classes = len(next(iter(counts.values())))
    joined = np.zeros((classes, rows, columns), np.uint16)
    for (row, column), part in counts.items():
        joined[:, row : row + part.shape[1], column : column + part.shape[2]] = part
    return joined


def _check_space(path: str, cache: Path, needed: int) -> None:
    free = shutil.disk_usage(cache).free
    log.info("%s: preparing the map in %s (%.2f GB, done once)", path, cache, needed / 1e9)
    if needed > free:
        raise MapError(
            f"{cache}: preparing {path} needs {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are free. "
            "Free some space, choose a smaller 'maps.rect', or set 'cache' to false."
        )
