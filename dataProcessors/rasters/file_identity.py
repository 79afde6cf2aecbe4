"""What tells one file from another, wherever it lies: size, time, and a sample of its bytes."""

import hashlib
import os
from pathlib import Path

PIECES, PIECE_BYTES = 64, 4096  # of the sample


def file_status(path: str | Path) -> tuple[str, int, int] | None:
    """Return absolute path, bytes and modification time (ns) of a file; None for a remote or missing one."""
    if not os.path.isfile(path):
        return None
    about = os.stat(path)
    return str(Path(path).resolve()), about.st_size, about.st_mtime_ns


def file_identity(path: str) -> dict[str, object]:
    """Return what identifies a file: not its folder, so that a file that is moved with its time stays the same.

    Files of one size and time, such as uncompressed ones of an archive, differ in the sample. Of a remote file, or a
    folder, only the path is known.
    """
    status = file_status(path)
    if status is None:
        return {"path": str(Path(path).resolve()) if os.path.exists(path) else path}
    resolved, size, modified = status
    return {"name": Path(resolved).name, "bytes": size, "modified": modified, "sample": _sample(resolved, size)}


def _sample(path: str, size: int) -> str:
    """Return a hash of pieces at equal distances, the first and the last bytes among them."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for number in range(PIECES):
            file.seek(max(size - PIECE_BYTES, 0) * number // (PIECES - 1))
            digest.update(file.read(PIECE_BYTES))
    return digest.hexdigest()[:32]
