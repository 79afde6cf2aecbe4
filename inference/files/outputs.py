"""The files of embeddings that other programs read: which format a path stands for, and what must be free for it."""

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from config import UserError
from inference.core.embedded_map import EmbeddedMap
from inference.files.cog import cog_bytes, write_cog
from inference.files.geoparquet import Columns, geoparquet_bytes, require_pyarrow, write_geoparquet
from inference.files.stac import stac_text
from storage import check_space, check_writable, staged, write_text

log = logging.getLogger(__name__)


class Format(NamedTuple):
    """A format of files with embeddings.

    Attributes:
        write: (embedded map, path, further columns or None)
        bytes_needed: (tiles, bytes of an embedding) -> bytes
        require: raises a UserError if a library is missing
        has_columns: whether it can hold further columns, such as classes
    """

    write: Callable[[EmbeddedMap, Path, Columns | None], None]
    bytes_needed: Callable[[int, int], int]
    require: Callable[[Path], object]
    has_columns: bool


COG = Format(lambda embedded, path, columns: write_cog(embedded, path), cog_bytes, lambda path: None, False)
GEOPARQUET = Format(write_geoparquet, geoparquet_bytes, require_pyarrow, True)
FORMATS = {".tif": COG, ".tiff": COG, ".parquet": GEOPARQUET}


def check_output(path: Path, tiles: int, tile_bytes: int, with_columns: bool = False, replace: bool = False) -> None:
    """Check, before anything is computed, that a file of embeddings and the description beside it can be written.

    Args:
        path: its suffix is one of FORMATS
        tiles: number of tiles
        tile_bytes: bytes of an embedding as stored
        with_columns: whether further columns are asked for
        replace: whether files that exist already may be replaced
    Raises:
        UserError: no such format, no such columns in it, a library is missing, or the file exists
        StorageError: the folder cannot be written to, or its disk is too small
    """
    form = _format(path)
    if with_columns and not form.has_columns:
        raise UserError(f"{path}: a GeoTIFF holds no classes beside the embeddings. Give a path that ends in .parquet.")
    form.require(path)
    check_new_files(path, FORMATS, description_path(path), (), replace)
    check_space(path, form.bytes_needed(tiles, tile_bytes))


def check_new_files(
    path: Path, suffixes: Iterable[str], description: Path, others: Iterable[Path], replace: bool = False
) -> None:
    """Check that a file, the JSON file that describes it, and others beside it can be written.

    A call that was killed may have left all but the file itself; the next one replaces them.

    Args:
        path: of the file
        suffixes: that its name may have
        description: of the JSON file; see `staged`, where it is the first
        others: further files
        replace: whether files that exist already may be replaced
    Raises:
        UserError, StorageError: see `check_new_file`
    """
    check_new_file(path, suffixes, replace)
    is_left = not path.exists() and _describes(description, path)
    for each in (description, *others):
        check_new_file(each, [each.suffix], replace or is_left)


def _describes(description: Path, path: Path) -> bool:
    """Return whether a JSON file is what this program writes about a file beside it: a STAC Item, or a table."""
    try:
        about = json.loads(description.read_text(encoding="utf8"))
        return path.name == (about["assets"]["embeddings"]["href"] if "assets" in about else about["file"])
    except (OSError, ValueError, LookupError, TypeError):
        return False


def check_new_file(path: Path, suffixes: Iterable[str], replace: bool = False) -> None:
    """Check that a file can be written.

    Raises:
        UserError: another suffix, or it exists and may not be replaced
        StorageError: its folder cannot be written to
    """
    if path.suffix.lower() not in suffixes:
        raise UserError(f"{path}: its name must end in {' or '.join(suffixes)}. Give another with -o.")
    if path.exists() and (path.is_dir() or not replace):
        raise UserError(f"{path} exists already. Remove it, or give another with -o.")
    check_writable(path.parent)


def description_path(path: Path) -> Path:
    """Return where the STAC Item of a file of embeddings lies: beside it."""
    return path.with_name(f"{path.name}.json")


def write_output(embedded: EmbeddedMap, path: Path, columns: Columns | None = None) -> None:
    """Write an embedded map in the format that the path's suffix stands for, and a STAC Item beside it.

    `check_output` says before whether this can be done.

    Args:
        embedded: the map
        path: of the file; an earlier one is replaced
        columns: further columns, for GeoParquet
    Raises:
        UserError: no such format, or a library is missing
        StorageError: the disk is too small, or refuses a write
    """
    form, description = _format(path), description_path(path)
    if embedded.map_grid.crs is None:
        log.warning("%s: is written without a CRS, as the map declares none", path)
    with staged(path, first=description) as folder:
        write_text(folder / description.name, stac_text(embedded, description, path))
        form.write(embedded, folder / path.name, columns)
    log.info("%s: %.1f MB, described by %s", path, path.stat().st_size / 1e6, description.name)


def _format(path: Path) -> Format:
    if path.suffix.lower() not in FORMATS:
        raise UserError(
            f"{path}: embeddings are written as a GeoTIFF (.tif) or as GeoParquet (.parquet). Give such a name with -o."
        )
    return FORMATS[path.suffix.lower()]
