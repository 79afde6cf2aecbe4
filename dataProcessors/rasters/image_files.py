"""The files of an image map, which the config names one by one or by a pattern."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from dataProcessors.rasters.opening import MapError


def image_files(image: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """Return the files of one image map, each once: in the order of a list, and those of a pattern by name.

    A file whose name looks like a pattern, and a URL, are taken literally. `**` stands for any folders.

    Args:
        image: a path, a URL or a pattern, or a list of them
    Raises:
        MapError: no file matches a pattern
    """
    named = [image] if isinstance(image, str | Path) else image
    return tuple(dict.fromkeys(file for each in named for file in _matching(str(each))))


def files_in_words(files: Sequence[str]) -> str:
    """Return the files of a map for a line of text. `Path(...).stem` of it is that of the first file."""
    more = len(files) - 1
    return f"{files[0]} and {more:,} more {'files' if more > 1 else 'file'}" if more else files[0]


def _matching(path: str) -> list[str]:
    if "://" in path or os.path.exists(path) or not glob.has_magic(path):
        return [path]
    files = sorted(glob.glob(path, recursive=True))
    if not files:
        raise MapError(f"{path}: no file matches this pattern. Correct it in 'maps.image'.")
    return files
