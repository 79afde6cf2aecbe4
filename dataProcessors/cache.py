"""What lies in the cache: maps, pools, features and choices, which of them no run would use, and their removal."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from config import UserError, main_command
from dataProcessors.features import FEATURES
from dataProcessors.prepared.preparation import ABOUT, BLOCKS, FORMAT, INCOMPLETE
from dataProcessors.rasters.file_identity import file_status
from dataProcessors.sampling.pool import POOLS, maps_of_file
from storage import PART_PREFIX, Lock, convert_write_errors, remove_folder

PRECISION = "precision"  # folder of the choices of precision
PURPOSES = {
    POOLS: "pools of tiles, to evaluate on and for supervised training",
    FEATURES: "features of tiles: of yardsticks, and embeddings of tiles that models are fitted on",
    PRECISION: "choices of precision",
}


@dataclass(frozen=True)
class Entry:
    """A folder of the cache, or a file in its folder of pools or of features.

    Attributes:
        path: of the folder or file; its name is what `remove` takes
        size: bytes of its files
        used: when it was last used or written, in seconds since 1970
        about: what it comes from, and what became of that
        is_unused: whether no run would use it: the source is gone or has changed, or it is incomplete
    """

    path: Path
    size: int
    used: float
    about: str
    is_unused: bool = False


def entries(cache: Path) -> list[Entry]:
    """Return the prepared maps, sorted by name, then the other folders of the cache whose content is known."""
    folders = sorted(path for path in cache.glob("*") if path.is_dir())
    parts = [each for each in folders if each.name.startswith(PART_PREFIX)]
    others = [each for each in folders if each.name in PURPOSES]
    maps = [each for each in folders if each not in parts and any((each / name).exists() for name in (ABOUT, BLOCKS))]
    return [
        *(_entry(each, *_source(each)) for each in maps if each.suffix != INCOMPLETE),
        *(_entry(each, *_incomplete(each)) for each in maps if each.suffix == INCOMPLETE),
        *(_entry(each, PURPOSES[each.name]) for each in others),
        *(_entry(each, *_part(each)) for each in parts),
    ]


def unused_files(cache: Path) -> list[Entry]:
    """Return the pools and features of maps that are not prepared in the cache, or that no run would use."""
    maps = {each.path.name for each in entries(cache) if not each.is_unused}
    files = [path for folder in (POOLS, FEATURES) for path in sorted((cache / folder).glob("*.npz"))]
    return [_entry(each, "", True) for each in files if not (names := maps_of_file(each)) or not names <= maps]


def is_in_use(path: Path) -> bool:
    """Return whether a process uses a folder, as far as the system and the disk can tell."""
    lock = Lock.acquire(path)
    if lock is not None:
        lock.release()
    return lock is None


def remove(cache: Path, names: Sequence[str]) -> list[Entry]:
    """Remove the entries of these names, all or none of them, and return them. A path stands for its last part.

    Raises:
        UserError: there is no such entry, or a process uses one
        StorageError: the disk refuses it
    """
    known = {each.path.name: each for each in entries(cache)}
    unknown = [name for name in names if Path(name).name not in known]
    if unknown:
        raise UserError(
            f"{cache} holds no {', '.join(unknown)}. Nothing was removed. {main_command('cache')} lists the names."
        )
    chosen = [known[name] for name in dict.fromkeys(Path(name).name for name in names)]
    with ExitStack() as locks:
        for each in chosen:
            lock = Lock.acquire(each.path)
            if lock is None:
                raise UserError(f"{each.path} is in use. Nothing was removed. Wait until the run ends.")
            locks.callback(lock.release)
        for each in chosen:
            remove_folder(each.path)
    return chosen


def remove_unused(cache: Path) -> list[Entry]:
    """Remove what no run would use, and return it; what a process uses all the same stays.

    Raises:
        StorageError: the disk refuses it
    """
    files = unused_files(cache)
    for file in files:
        with convert_write_errors(file.path):
            file.path.unlink(missing_ok=True)
    unused = [each for each in entries(cache) if each.is_unused and not is_in_use(each.path)]
    return files + remove(cache, [each.path.name for each in unused])


def _entry(path: Path, about: str, is_unused: bool = False) -> Entry:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    marker = path / ABOUT if (path / ABOUT).exists() else path
    return Entry(path, sum(each.stat().st_size for each in files), marker.stat().st_mtime, about, is_unused)


def _source(folder: Path) -> tuple[str, bool]:
    """Return where a prepared map comes from and what became of that, and whether no run would use it."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf8"))
        source, is_current = about["source"], about["format"] == FORMAT
        files = [tuple(each) for each in about["files"]] if is_current else []
    except (OSError, ValueError, KeyError, TypeError):
        return "damaged, or of an earlier revision of the program", True
    if not is_current:
        return f"{source}; of another revision of the program", True
    for each in files:
        if file_status(each[0]) != each:
            return f"{source}; {each[0]} {'has changed' if Path(each[0]).exists() else 'is gone'}", True
    return str(source), False


def _incomplete(folder: Path) -> tuple[str, bool]:
    """Return what a folder of a preparation that may go on comes from, and whether none would go on with it."""
    about, is_unused = _source(folder)
    return f"{about}; {'not complete: a run goes on with it' if not is_unused else 'not complete'}", is_unused


def _part(folder: Path) -> tuple[str, bool]:
    """Return what a folder of a preparation is, and whether it is known that none goes on in it."""
    lock = Lock.acquire(folder)
    if lock is None:
        return "being prepared", False
    lock.release()
    return ("a preparation that was interrupted", True) if lock.exclusive else ("a preparation", False)
