"""The pixels of a prepared map: blocks in one file, and how they are put together from pixels of the map."""

import math

import numpy as np

from dataProcessors.prepared.array_file import ArrayFile
from dataProcessors.prepared.blocks import BLOCK


class BlockFile(ArrayFile):
    """The file of a map's blocks (rows, columns, y, x, C)."""

    def write_blocks(self, row: int, column: int, part: np.ndarray) -> None:
        """Write blocks (rows, columns, y, x, C), the first of them at this row and column."""
        for each, blocks in enumerate(part, row):
            self.write(each * self.shape[1] + column, blocks)

    def read_blocks(self, row: int, column: int, rows: int, columns: int) -> np.ndarray:
        """Read blocks (rows, columns, y, x, C), the first of them at this row and column."""
        array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return np.array(array[row : row + rows, column : column + columns])

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


def in_blocks(pixels: np.ndarray) -> np.ndarray:
    """Reshape pixels (C, h, w) of whole blocks to blocks (rows, columns, y, x, C)."""
    rows, columns = pixels.shape[1] // BLOCK, pixels.shape[2] // BLOCK
    blocks = np.empty((rows, columns, BLOCK, BLOCK, len(pixels)), pixels.dtype)
    for band, plane in enumerate(pixels):
        blocks[..., band] = plane.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)
    return blocks


def from_blocks(blocks: np.ndarray) -> np.ndarray:
    """Reshape blocks (rows, columns, y, x, C) to pixels (C, h, w)."""
    rows, columns, _, _, channels = blocks.shape
    return np.ascontiguousarray(blocks.transpose(4, 0, 2, 1, 3).reshape(channels, rows * BLOCK, columns * BLOCK))
