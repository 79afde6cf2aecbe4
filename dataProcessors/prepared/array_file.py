"""A .npy file that is written part by part, and whose disk space is allocated first."""

import math
import os
from pathlib import Path

import numpy as np

CAN_START_WRITEBACK = hasattr(os, "posix_fadvise")


class ArrayFile:
    """A new .npy file of zeros, or one that an earlier process began, to write parts of from any thread.

    It is written, not memory-mapped: twice as fast, and a full or broken disk raises an error instead of killing the
    process.

    Args:
        path: of the file
        dtype, shape: of its array
    Raises:
        ValueError: there is a file already, of another type or shape
        OSError: the disk refuses it
    """

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...]):
        self.path, self.dtype, self.shape = path, np.dtype(dtype), shape
        is_new = not path.exists()
        array = np.lib.format.open_memmap(path, "w+" if is_new else "r+", self.dtype, shape)  # "r+" reads both
        if (array.dtype, array.shape) != (self.dtype, shape):
            raise ValueError(f"{path} holds {array.dtype} {array.shape} instead of {self.dtype} {shape}")
        self.offset, size = array.offset, array.nbytes
        if is_new and hasattr(os, "posix_fallocate"):
            with open(path, "rb+") as file:
                os.posix_fallocate(file.fileno(), 0, self.offset + size)

    def write(self, start: int, values: np.ndarray) -> None:
        """Write rows (n, ...) from row `start` on; `start` may count the rows of the first axes flattened.

        A row is what the last axes of `values` hold: all but its first.
        """
        values = np.ascontiguousarray(values, self.dtype)
        at = self.offset + start * math.prod(values.shape[1:]) * self.dtype.itemsize
        with open(self.path, "rb+") as file:  # buffered: repeats where the system wrote only a part
            file.seek(at)
            file.write(values.data if values.size else b"")
            file.flush()
            if CAN_START_WRITEBACK:  # starts writing to disk now, while the next part is made, instead of at the end
                os.posix_fadvise(file.fileno(), at, values.nbytes, os.POSIX_FADV_DONTNEED)
