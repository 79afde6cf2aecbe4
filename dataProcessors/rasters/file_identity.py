"""What tells one file from another, wherever it lies: size, time, and a sample of its bytes."""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

PIECES, PIECE_BYTES = 64, 4096  # of the sample
# before the path in GDAL's and rasterio's names of what is in archives, and of files
PREFIX = re.compile(r"/(/?vsi(zip|tar|gzip|7z|rar)/)+|((zip|tar|gzip)(\+file)?|file)://")


def file_status(path: str | Path) -> tuple[str, int, int] | None:
    """Return absolute path, bytes and modification time (ns) of a file; None for a remote or missing one.

    Of a folder, such as a Zarr, bytes and time are those of all files in it: the sum, and the latest. Of a file in an
    archive all three are the archive's.
    """
    holder = _holder(path)
    found = [os.stat(file) for file in _files_of(holder)]
    if not found:
        return None
    return str(holder.resolve()), sum(about.st_size for about in found), max(about.st_mtime_ns for about in found)


def _holder(path: str | Path) -> Path:
    """Return the file or folder that holds what GDAL calls so: of /vsizip/maps.zip/map.tif the archive maps.zip."""
    found = PREFIX.match(str(path))
    if found is None:
        return Path(path)
    within = Path(re.sub("[{}]", "", str(path)[found.end() :]).replace("!", "/"))  # {archive}/file, or archive!file
    return next((each for each in (within, *within.parents) if each.is_file()), Path(path))


def _files_of(path: str | Path) -> list[Path]:
    """Return the file itself, or the files of a folder in the order of their names."""
    if os.path.isfile(path):
        return [Path(path)]
    return sorted(file for file in Path(path).rglob("*") if file.is_file()) if os.path.isdir(path) else []


def joint_status(paths: Sequence[str]) -> tuple[int, int] | None:
    """Return the bytes of all files together, and the latest modification time (ns); None if one is not known."""
    known = [status for path in paths if (status := file_status(path)) is not None]
    if len(known) < len(paths):
        return None
    return sum(size for _, size, _ in known), max(modified for *_, modified in known)


def file_identity(path: str, pieces: int = PIECES) -> dict[str, object]:
    """Return what identifies a file: not its folder, so that a file that is moved with its time stays the same.

    Files of one size and time, such as uncompressed ones of an archive, differ in the sample. Of a remote file only
    the path is known; a server may say more about it (`map_file`).

    Args:
        path: of a file or folder
        pieces: number of pieces in the sample of a file, at least 2
    """
    status = file_status(path)
    if status is None:
        return {"path": str(Path(path).resolve()) if os.path.exists(path) else path}
    resolved, size, modified = status
    sample = _table(resolved) if os.path.isdir(resolved) else _sample(resolved, size, pieces)
    inside = {"inside": path.rpartition(_holder(path).name)[2]} if PREFIX.match(path) else {}
    return {"name": Path(resolved).name, "bytes": size, "modified": modified, "sample": sample, **inside}


def _sample(path: str, size: int, pieces: int) -> str:
    """Return a hash of pieces at equal distances, the first and the last bytes among them."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for number in range(pieces):
            file.seek(max(size - PIECE_BYTES, 0) * number // (pieces - 1))
            digest.update(file.read(PIECE_BYTES))
    return digest.hexdigest()[:32]


def _table(folder: str) -> str:
    """Return a hash of name, size and time of each file of a folder."""
    files = [(file, os.stat(file)) for file in _files_of(folder)]
    table = [(str(file.relative_to(folder)), about.st_size, about.st_mtime_ns) for file, about in files]
    return hashlib.sha256(repr(table).encode()).hexdigest()[:32]
