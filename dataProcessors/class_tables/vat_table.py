"""Class names and colours in the attribute table beside a raster: .vat.dbf, as ArcGIS and Copernicus write it."""

import codecs
import logging
import struct
from collections.abc import Sequence
from pathlib import Path

import shapefile

from dataProcessors.class_tables.side_files import find_side_file
from dataProcessors.legends.legend import Colour
from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)
Table = dict[str, list]  # name of a column -> its values
VALUE_COLUMNS = ("value",)
NAME_COLUMNS = (  # the most telling first: CORINE has LABEL1 to LABEL3, of which the third names its 44 classes
    "class_name", "classname", "class_names", "label3", "class", "label", "name", "land_cover", "landcover",
    "nlcd_land", "lc_name", "category", "description", "descriptio", "legend",
)  # fmt: skip
COLOUR_COLUMNS = (("red", "green", "blue"), ("r", "g", "b"))
DAMAGE = (shapefile.ShapefileException, struct.error, ValueError, LookupError, OSError, EOFError)
MAX_REASON = 80  # characters of the reason in a message


def vat_names(path: str) -> dict[int, str]:
    """Return code -> class name of a raster's .vat.dbf; {} where it has none, or the table has no column of names.

    Raises:
        MapError: the table is damaged
    """
    file = find_side_file(path, ".vat.dbf")
    if file is None:
        return {}
    table = _read(file)
    value, name = _column(table, VALUE_COLUMNS), _column(table, NAME_COLUMNS)
    if value is None or name is None:
        log.warning(
            "%s: the attribute table is not understood and names no classes: it needs a column Value and one such as "
            "Class_Name, and has %s", file, ", ".join(table),
        )  # fmt: skip
        return {}
    named = zip(_codes(file, table[value]), (str(text or "").strip() for text in table[name]))
    return {code: text for code, text in named if text}


def vat_colours(path: str) -> dict[int, Colour]:
    """Return code -> colour of a raster's .vat.dbf, from its columns Red, Green and Blue; {} where it has none.

    Raises:
        MapError: the table is damaged
    """
    file = find_side_file(path, ".vat.dbf")
    if file is None:
        return {}
    table = _read(file)
    lower = {name.casefold(): name for name in table}
    bands = next((names for names in COLOUR_COLUMNS if {*names, *VALUE_COLUMNS} <= set(lower)), None)
    if bands is None:
        return {}
    try:
        rows = [[float(v) for v in row] for row in zip(*(table[lower[band]] for band in bands))]
    except (TypeError, ValueError):  # empty cells
        return {}
    scale = 255 if all(v <= 1 for row in rows for v in row) else 1  # ArcGIS writes 0 .. 255, or shares of 1
    colours = [(round(red * scale), round(green * scale), round(blue * scale)) for red, green, blue in rows]
    coloured = zip(_codes(file, table[lower["value"]]), colours)
    return {code: colour for code, colour in coloured if all(0 <= v <= 255 for v in colour)}


def _read(file: Path) -> Table:
    problem: Exception | None = None
    for encoding in (_encoding(file), "latin-1"):  # the latter reads any bytes
        try:
            return _columns(file, encoding)
        except DAMAGE as error:
            problem = error
    reason = " ".join(str(problem).split())[:MAX_REASON]
    raise MapError(f"{file}: the attribute table is damaged ({reason}). Copy it again, or remove it.")


def _columns(file: Path, encoding: str) -> Table:
    with open(file, "rb") as stream, shapefile.Reader(dbf=stream, encoding=encoding) as table:
        names = [field[0] for field in table.fields[1:]]  # the first one marks rows as deleted
        rows = [list(record) for record in table.iterRecords() if record is not None]
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


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


def _column(table: Table, wanted: Sequence[str]) -> str | None:
    lower = {name.casefold(): name for name in table}
    return next((lower[name] for name in wanted if name in lower), None)


def _codes(file: Path, values: list) -> list[int]:
    try:
        numbers = [float(value) for value in values]
        if all(number.is_integer() for number in numbers):
            return [int(number) for number in numbers]
    except (TypeError, ValueError):
        pass
    raise MapError(f"{file}: the column Value must hold whole numbers. Correct the attribute table, or remove it.")
