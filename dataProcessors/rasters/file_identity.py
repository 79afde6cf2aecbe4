"""What tells one file from another, wherever it lies: size, time, and a sample of its bytes."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

PIECES, PIECE_BYTES = 64, 4096  # of the sample


def file_status(path: str | Path) -> tuple[str, int, int] | None:
    """Return absolute path, bytes and modification time (ns) of a file; None for a remote or missing one."""
    if not os.path.isfile(path):
        return None
    about = os.stat(path)
    return str(Path(path).resolve()), about.st_size, about.st_mtime_ns


def joint_status(paths: Sequence[str]) -> tuple[int, int] | None:
    """Return the bytes of all files together, and the latest modification time (ns); None if one is not known."""
    known = [status for path in paths if (status := file_status(path)) is not None]
    if len(known) < len(paths):
        return None
    return sum(size for _, size, _ in known), max(modified for *_, modified in known)


def files_identity(paths: Sequence[str]) -> dict[str, object] | list[dict[str, object]]:
    """Return what identifies the files of a map: that of the only one, or a list."""
    pieces = max(PIECES // len(paths), 2)  # the sample of a thousand files is not a thousand times that of one
    identities = [file_identity(path, pieces) for path in paths]
    return identities if len(identities) > 1 else identities[0]


def file_identity(path: str, pieces: int = PIECES) -> dict[str, object]:
    """Return what identifies a file: not its folder, so that a file that is moved with its time stays the same.

    Files of one size and time, such as uncompressed ones of an archive, differ in the sample. Of a remote file, or a
    folder, only the path is known.

    Args:
        path: of the file
        pieces: number of pieces in the sample, at least 2
    """
    status = file_status(path)
    if status is None:
        return {"path": str(Path(path).resolve()) if os.path.exists(path) else path}
    resolved, size, modified = status
    return {"name": Path(resolved).name, "bytes": size, "modified": modified, "sample": _sample(resolved, size, pieces)}


def _sample(path: str, size: int, pieces: int) -> str:
    """Return a hash of pieces at equal distances, the first and the last bytes among them."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for number in range(pieces):
            file.seek(max(size - PIECE_BYTES, 0) * number // (pieces - 1))
            digest.update(file.read(PIECE_BYTES))
    return digest.hexdigest()[:32]
