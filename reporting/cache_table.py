"""What `python main.py cache` prints: the folders of the cache, their sizes and sources, or what was removed."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from config import UserError, main_command
from dataProcessors.cache import PRECISION, Entry, entries, is_in_use, remove, remove_unused, unused_files

UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1))
REMOVE = "remove"


def cache_lines(cache: Path, words: Sequence[str], unused: bool) -> Iterator[str]:
    """Yield the table of the cache, or, where the words begin with "remove", remove entries and yield what was removed.

    Args:
        cache: folder of the prepared maps
        words: nothing, or "remove" and the names of entries
        unused: whether to remove what no run would use
    Raises:
        UserError: other words, an unknown name, or an entry that a process uses
    """
    removes, names = list(words[:1]) == [REMOVE], words[1:]
    if (words or unused) and (not removes or bool(names) == unused):
        raise UserError(
            f"cache takes nothing, or remove and either names or --unused. Got {' '.join(words) or '--unused'}."
        )
    if removes:
        removed = remove_unused(cache) if unused else remove(cache, names)
        yield from (f"Removed: {each.path} ({format_size(each.size)})" for each in removed)
        yield f"{format_size(sum(each.size for each in removed))} freed."
    else:
        yield from _table(cache)


def _table(cache: Path) -> Iterator[str]:
    found, files = entries(cache), unused_files(cache)
    if not found:
        yield f"{cache} is empty."
        return
    width = max(len(each.path.name) for each in found)
    yield f"{'name':<{width}} {'size':>9}  {'last used':<16}  source"
    for each in found:
        unused_inside = sum(file.path.parent == each.path for file in files)
        yield f"{each.path.name:<{width}} {_row(each, unused_inside)}"
        yield from _choices(each.path) if each.path.name == PRECISION else ()
    unused = files + [each for each in found if each.is_unused]
    yield f"{format_size(sum(each.size for each in found))} in {cache}."
    if unused:
        command = main_command("cache", REMOVE, "--unused")
        yield f"{format_size(sum(each.size for each in unused))} of it are unused. To remove them: {command}"


def _row(entry: Entry, unused_files: int) -> str:
    marks = {"unused": entry.is_unused, f"{unused_files} unused": unused_files, "in use": is_in_use(entry.path)}
    shown = "".join(f" ({mark})" for mark, holds in marks.items() if holds)
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
    return f"{format_size(entry.size):>9}  {used:<16}  {entry.about}{shown}"


def _choices(folder: Path) -> Iterator[str]:
    """Yield a line for each saved choice of precision: for which network, tiles and bands, what, and since when."""
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf8"))
            choice, network = content["choice"], content["conditions"]
            yield (
                f"  {network['network']}, {network['image_size']} px, {network['bands']} bands, "
                f"{network['threads']} threads: {choice['way']}, since {choice['date']}"
            )
        except (OSError, ValueError, KeyError, TypeError):
            yield f"  {path.name}: damaged; the next run measures again"


def format_size(size: int) -> str:
    """Return a number of bytes for people, such as 1.20 GB."""
    unit, factor = next((each for each in UNITS if size >= each[1]), UNITS[-1])
    return f"{size / factor:.3g} {unit}"
