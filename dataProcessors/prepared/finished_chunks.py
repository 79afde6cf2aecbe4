"""Which chunks of a preparation are finished, so that one that is interrupted at any moment goes on where it was.

The pixels of a chunk are written before its line, and the line has a checksum of them: where the system ended as well,
and the disk got the line but not the pixels, the chunk is decoded again.
"""

import json
import threading
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

NAME = "finished.jsonl"


@dataclass(frozen=True)
class FinishedChunk:
    """A chunk that is in the file of blocks.

    Attributes:
        row, column, rows, columns: of its blocks in the prepared map
        checksum: of its blocks (rows, columns, y, x, C), see `checksum`
        without_data: who said that pixels are without data -> of how many
    """

    row: int
    column: int
    rows: int
    columns: int
    checksum: int
    without_data: dict[str, int]


class FinishedChunks:
    """The file of finished chunks in the folder of a preparation; any thread may add to it."""

    def __init__(self, folder: Path):
        self.path = folder / NAME
        self._writing = threading.Lock()

    def read(self) -> list[FinishedChunk]:
        """Return the finished chunks; a line that a killed process has half-written is none."""
        lines = self.path.read_text(encoding="utf8").splitlines() if self.path.exists() else []
        found = {}
        for line in lines:
            with suppress(ValueError, TypeError):
                chunk = FinishedChunk(**json.loads(line))
                found[chunk.row, chunk.column] = chunk
        return list(found.values())

    def add(self, chunk: FinishedChunk) -> None:
        """Add a chunk whose blocks are written."""
        with self._writing, open(self.path, "a", encoding="utf8") as file:
            file.write("\n" + json.dumps(asdict(chunk)))  # begins a line: the one before may have been interrupted

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def checksum(blocks: np.ndarray) -> int:
    """Return a checksum (CRC-32) of an array's bytes."""
    return zlib.crc32(np.ascontiguousarray(blocks).data)
