"""Decodes a map, in chunks on several threads, into the files of a prepared map."""

import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dataProcessors.labels.label_maps import LabelMap
from dataProcessors.prepared.array_file import ArrayFile
from dataProcessors.prepared.blocks import BLOCK, block_pixels, block_shape, overview_step, pad
from dataProcessors.rasters.file_identity import file_status
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_map import ImageMap
from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)
ABOUT, BLOCKS = "about.json", "blocks.npy"  # files of a prepared map: its description, its pixels
FORMAT = 4  # version of the prepared files; increase it when their content changes


def source_files(source: ImageMap | LabelMap) -> dict[str, object]:
    """Return where the pixels of a prepared map come from: path, and (path, bytes, time) of each file here."""
    parts: Any = source.read_settings.get("parts", [])
    files = [*map(file_status, source.files), *parts]
    return {"source": source.path, "files": [list(each) for each in files if each is not None]}


class Preparation:
    """Decodes a map into a folder.

    Args:
        source: the map
        window: part of its grid to decode; its upper-left corner is a multiple of BLOCK
        count: pixels (C, h, w) of whole blocks -> counts (K, rows, columns)
        folder: empty folder to write to
    Raises:
        MapError: there is not enough free disk space
    """

    def __init__(
        self, source: ImageMap | LabelMap, window: Window, count: Callable[[np.ndarray], np.ndarray], folder: Path
    ):
        self.source, self.window, self.count, self.folder = source, window, count, folder
        rows, columns = block_shape(window)
        dtype, shape = source.dtype, (rows, columns, BLOCK, BLOCK, source.channels)
        _check_space(source.path, folder.parent, int(np.prod(shape)) * dtype.itemsize)
        self._blocks = _BlockFile(folder / BLOCKS, dtype, shape)
        self._counts: dict[tuple[int, int], np.ndarray] = {}  # (row, column) of a chunk's first block -> its counts
        self._step = overview_step(window)
        sides = rows * BLOCK // self._step, columns * BLOCK // self._step
        self._shown = [*range(source.shown_bands), *([source.channels - 1] if source.has_validity else [])]
        self._overview = np.zeros((len(self._shown), *sides), dtype)

    def run(self, threads: int) -> None:
        """Decode the whole window.

        Raises:
            MapError: the source is damaged
            OSError: the disk refuses a write
        """
        pixels, name = self.window.width * self.window.height, Path(self.source.path).name
        bar = tqdm(total=pixels, unit="px", unit_scale=True, desc=f"preparing {name}", disable=None)
        with ThreadPoolExecutor(threads) as pool, bar:
            futures = [pool.submit(self._prepare, chunk) for chunk in _chunks(self.window, self.source.chunk)]
            try:
                for future in futures:
                    bar.update(future.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        self._write_summary(self._drop_validity_of_a_whole_map())

    def _prepare(self, chunk: Window) -> int:
        """Decode a chunk; return its number of pixels."""
        pixels = _whole_blocks(self.source, chunk)
        row, column = (chunk.y - self.window.y) // BLOCK, (chunk.x - self.window.x) // BLOCK
        self._blocks.write_blocks(row, column, _in_blocks(pixels))
        self._counts[row, column] = self.count(pixels)
        decimated = pixels[self._shown, :: self._step, :: self._step]
        top, left = row * BLOCK // self._step, column * BLOCK // self._step
        self._overview[:, top : top + decimated.shape[1], left : left + decimated.shape[2]] = decimated
        return chunk.width * chunk.height

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
        about = {"window": list(self.window), "block": BLOCK, "format": FORMAT, **source_files(self.source)}
        about |= {"has_validity": has_validity, "without_data": dict(self.source.without_data)}
        (self.folder / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf8")


class _BlockFile(ArrayFile):
    """The file of a map's blocks (rows, columns, y, x, C)."""

    def write_blocks(self, row: int, column: int, part: np.ndarray) -> None:
        """Write blocks (rows, columns, y, x, C), the first of them at this row and column."""
        for each, blocks in enumerate(part, row):
            self.write(each * self.shape[1] + column, blocks)

    def drop_last_channel(self) -> None:
        """Remove the last channel of all blocks, row by row and in place: the disk may hold no second copy."""
        shape = (*self.shape[:-1], self.shape[-1] - 1)
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        with open(self.path, "rb+") as file:
            for row in range(shape[0]):
                file.seek(self.offset + row * row_bytes)
                blocks = np.frombuffer(file.read(row_bytes), self.dtype).reshape(self.shape[1:])
                file.seek(self.offset + row * (row_bytes // self.shape[-1]) * shape[-1])
                file.write(blocks[..., :-1].tobytes())
            file.truncate()
            file.seek(0)
            np.lib.format.write_array_header_1_0(file, header)
            if file.tell() != self.offset:
                raise ValueError(f"{self.path}: the header of the new shape has another length")


def _chunks(window: Window, chunk: tuple[int, int]) -> Iterator[Window]:
    """Yield chunks of the window: whole blocks of ours and, if possible, of the source, whose blocks start at 0, 0."""
    height, width = (max(-(-side // BLOCK) * BLOCK, BLOCK) for side in chunk)
    right, bottom = window.x + window.width, window.y + window.height
    for y in range(window.y // height * height, bottom, height):
        for x in range(window.x // width * width, right, width):
            left, top = max(x, window.x), max(y, window.y)
            yield Window(left, top, min(x + width, right) - left, min(y + height, bottom) - top)


def _whole_blocks(source: ImageMap | LabelMap, chunk: Window) -> np.ndarray:
    """Read the chunk's pixels (C, h, w), padded to whole blocks at its right and lower edge."""
    pixels = source.read_window(*chunk)
    rows, columns = block_shape(chunk)
    if pixels.shape[1:] == (rows * BLOCK, columns * BLOCK):
        return pixels
    return pad(pixels, rows * BLOCK, columns * BLOCK, source.padding)


def _in_blocks(pixels: np.ndarray) -> np.ndarray:
    """Reshape pixels (C, h, w) of whole blocks to blocks (rows, columns, y, x, C)."""
    rows, columns = pixels.shape[1] // BLOCK, pixels.shape[2] // BLOCK
    blocks = np.empty((rows, columns, BLOCK, BLOCK, len(pixels)), pixels.dtype)
    for band, plane in enumerate(pixels):
        blocks[..., band] = plane.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)
    return blocks


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
