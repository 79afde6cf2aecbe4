"""Class names and colours in the attribute table beside a raster: .vat.dbf, as ArcGIS and Copernicus write it."""

import codecs
import logging
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import shapefile

from dataProcessors.class_tables.attribute_table import (
    COLOUR_TITLES,
    NAME_TITLES,
    code_number,
    colour_of,
    plain_title,
)
from dataProcessors.class_tables.side_files import find_side_file
from dataProcessors.legends.legend import Colour
from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)
DAMAGE = (shapefile.ShapefileException, struct.error, ValueError, LookupError, OSError, EOFError)
MAX_REASON = 80  # characters of the reason in a message


class Table(NamedTuple):
    """The attribute table beside a raster: its file, the titles of its columns, and their values (rows of cells)."""

    file: Path
    titles: list[str]
    rows: list[list]

    def column(self, titles: Sequence[str]) -> list | None:
        """Return the column that has the first of these plain titles that occurs; None: none occurs."""
        indices = {plain_title(title): index for index, title in reversed(list(enumerate(self.titles)))}
        index = next((indices[title] for title in titles if title in indices), None)
        return None if index is None else [row[index] for row in self.rows]

    def codes(self) -> list[int] | None:
        """Return the column of codes; None: there is none.

        Raises:
            MapError: a code is no whole number
        """
        values = self.column(("value",))
        if values is None:
            return None
        whole = [number for value in values if (number := _whole_number(value)) is not None]
        if len(whole) == len(values):
            return whole
        raise MapError(
            f"{self.file}: the column Value must hold whole numbers. Correct the attribute table, or remove it."
        )


def _whole_number(value: str | float) -> int | None:
    try:
        number = code_number(value)
    except (TypeError, ValueError, OverflowError):  # an empty cell, a word
        return None
    return number if isinstance(number, int) else None


def vat_names(path: str) -> dict[int, str]:
    """Return code -> class name of a raster's .vat.dbf; {} where it has none, or the table has no column of names.

    Raises:
        MapError: the table is damaged
    """
    table = _table_beside(path)
    if table is None:
        return {}
    codes, names = table.codes(), table.column(NAME_TITLES)
    if codes is None or names is None:
        log.warning(
            "%s: the attribute table is not understood and names no classes: it needs a column Value and one such as "
            "Class_Name, and has %s", table.file, ", ".join(table.titles),
        )  # fmt: skip
        return {}
    named = zip(codes, (str(text or "").strip() for text in names))
    return {code: text for code, text in named if text}


def vat_colours(path: str) -> dict[int, Colour]:
    """Return code -> colour of a raster's .vat.dbf, from its columns Red, Green and Blue; {} where it has none.

    Raises:
        MapError: the table is damaged
    """
    table = _table_beside(path)
    bands = [] if table is None else [band for each in COLOUR_TITLES if (band := table.column(each)) is not None]
    codes = table.codes() if table is not None and len(bands) == len(COLOUR_TITLES) else None
    if codes is None:
        return {}
    try:
        rows = [[float(v) for v in row] for row in zip(*bands)]
    except (TypeError, ValueError):  # empty cells
        return {}
    scale = 255 if all(v <= 1 for row in rows for v in row) else 1  # ArcGIS writes 0 .. 255, or shares of 1
    colours = [colour_of([scale * v for v in row]) for row in rows]
    return {code: colour for code, colour in zip(codes, colours) if colour is not None}


def _table_beside(path: str) -> Table | None:
    """Return the attribute table of a raster, whatever its encoding; None: it has none."""
    file = find_side_file(path, ".vat.dbf")
    if file is None:
        return None
    problem: Exception | None = None
    for encoding in (_encoding(file), "latin-1"):  # the latter reads any bytes
        try:
            return _read(file, encoding)
        except DAMAGE as error:
            problem = error
    reason = " ".join(str(problem).split())[:MAX_REASON]
    raise MapError(f"{file}: the attribute table is damaged ({reason}). Copy it again, or remove it.")


def _read(file: Path, encoding: str) -> Table:
    with open(file, "rb") as stream, shapefile.Reader(dbf=stream, encoding=encoding) as table:
        titles = [field[0] for field in table.fields[1:]]  # the first one marks rows as deleted
        return Table(file, titles, [list(record) for record in table.iterRecords() if record is not None])


def _encoding(file: Path) -> str:
    """Return the encoding that a .cpg file beside the table states, such as "UTF-8" or "1252"; else UTF-8."""
    stated = find_side_file(str(file.with_suffix("")), ".cpg")
    word = stated.read_text(encoding="ascii", errors="replace").strip() if stated else ""
    for name in (word, f"cp{word}"):
        try:
            return codecs.lookup(name).name
        except LookupError:
            continue
    return "utf-8"
