"""GDAL's raster attribute tables: which codes, names and colours their rows stand for; and how to write one.

Columns are known by GDAL's usages (https://gdal.org/en/stable/api/raster_c_api.html, GDALRATFieldUsage). Programs of
other makers write usage 0 throughout; then the columns are known by their names.
"""

import itertools
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataProcessors.legends.legend import Colour

NAME, MIN, MAX, MIN_MAX, RED, GREEN, BLUE = 2, 3, 4, 5, 6, 7, 8  # GDAL's usage numbers of columns
INTEGER, REAL, TEXT = 0, 1, 2  # GDAL's type numbers of columns
WRAP = 2**32
VALUE_TITLES = ("value", "code", "gridcode", "pixelvalue", "classvalue", "classcode", "rastervalue", "classid", "id")
NAME_TITLES = (  # the most telling first: CORINE has LABEL1 to LABEL3, of which the third names its 44 classes
    "classname", "classnames", "label3", "label", "labels", "name", "class", "category", "classlabel", "landcover",
    "landuse", "landcoverclass", "nlcdland", "lcname", "description", "descriptio", "legend", "type",
)  # fmt: skip
COLOUR_TITLES = (("red", "r"), ("green", "g"), ("blue", "b"))


@dataclass(frozen=True)
class CodeRow:
    """Whole numbers from `low` to `high`, both included, are pixels of the class `name`; `colour` None: not given."""

    low: float
    high: float
    name: str
    colour: Colour | None = None


@dataclass(frozen=True)
class Column:
    """A column of an attribute table: its title in plain letters, GDAL's type and usage, and its number in a row."""

    title: str
    type: int
    usage: int
    number: int


def table_rows(table: ElementTree.Element, of_uint32: bool = False) -> list[CodeRow] | None:
    """Return the rows of a GDALRasterAttributeTable that have a name; None: the table was not understood.

    Args:
        table: the element
        of_uint32: whether it is of a band of uint32, and comes from GDAL, which holds the codes of a table as int32:
            those from 2^31 on have become negative
    Raises:
        ValueError, OverflowError, LookupError: a row is too short, or a code is no number
    """
    columns = [_column(field, number) for number, field in enumerate(table.iterfind("FieldDefn"))]
    cells = [[cell.text or "" for cell in row.iterfind("F")] for row in table.iterfind("Row")]
    names = _of_usage(columns, NAME) or _titled(columns, NAME_TITLES) or _only_text(columns)
    ranges = _ranges(table, columns, cells)
    if names is None or ranges is None:
        return None
    if of_uint32:
        ranges = [_unwrapped(low, high) for low, high in ranges]
    colours = _colours(columns, cells)
    rows = zip(ranges, (row[names.number].strip() for row in cells), colours)
    return [CodeRow(*codes, name, colour) for codes, name, colour in rows if name]


def _column(field: ElementTree.Element, number: int) -> Column:
    title = plain_title(field.findtext("Name", ""))
    return Column(title, int(field.findtext("Type", "0")), int(field.findtext("Usage", "0")), number)


def plain_title(title: str) -> str:
    """Return the title of a column in plain letters: "Class_Name" and "CLASS NAME" are one."""
    return "".join(letter for letter in title.casefold() if letter.isalnum())


def _of_usage(columns: list[Column], usage: int) -> Column | None:
    return next((column for column in columns if column.usage == usage), None)


def _titled(columns: list[Column], titles: Iterable[str]) -> Column | None:
    """Return the column without a usage that has the first of the titles that occurs."""
    free = {column.title: column for column in reversed(columns) if column.usage == 0}
    return next((free[title] for title in titles if title in free), None)


def _only_text(columns: list[Column]) -> Column | None:
    texts = [column for column in columns if column.type == TEXT and column.usage == 0]
    return texts[0] if len(texts) == 1 else None


def _ranges(
    table: ElementTree.Element, columns: list[Column], cells: list[list[str]]
) -> list[tuple[float, float]] | None:
    """Return the range of codes of each row; None: the table does not say which codes its rows are."""
    low, high = _of_usage(columns, MIN), _of_usage(columns, MAX)
    single = _of_usage(columns, MIN_MAX)
    if single is None and low and high:
        return [(code_number(row[low.number]), code_number(row[high.number])) for row in cells]
    single = single or low or high
    if single is None and "Row0Min" in table.attrib and "BinSize" in table.attrib:
        return _bins(code_number(table.attrib["Row0Min"]), code_number(table.attrib["BinSize"]), len(cells))
    single = single or _titled(columns, VALUE_TITLES)
    if single is None:
        return None
    return [(code, code) for code in (code_number(row[single.number]) for row in cells)]


def _unwrapped(low: float, high: float) -> tuple[float, float]:
    """Return a range of uint32 codes whose ends may have become negative as int32."""
    high += WRAP if high < 0 else 0
    return (low + WRAP if low < 0 and low + WRAP <= high else low), high


def _bins(start: float, size: float, count: int) -> list[tuple[float, float]] | None:
    """Return the whole numbers of bins [start + i * size, start + (i + 1) * size)."""
    if size <= 0:
        return None
    edges = [start + row * size for row in range(count + 1)]
    return [(math.ceil(low), math.ceil(high) - 1) for low, high in itertools.pairwise(edges)]


def code_number(text: str | float) -> float:
    """Return a cell of codes as a number, an int where it is whole.

    Raises:
        TypeError, ValueError, OverflowError: it is empty, no number, or not finite
    """
    value = float(text)
    if not math.isfinite(value):
        raise OverflowError(f"a code is {text}")
    return int(value) if value.is_integer() else value


def _colours(columns: list[Column], cells: list[list[str]]) -> list[Colour | None]:
    """Return the colour of each row, or None; whole numbers to 255, or shares of 1 where the columns hold no others."""
    parts = [
        _of_usage(columns, usage) or _titled(columns, titles)
        for usage, titles in zip((RED, GREEN, BLUE), COLOUR_TITLES)
    ]
    if None in parts:
        return [None] * len(cells)
    numbers = [part.number for part in parts if part is not None]
    values = [[float(row[number] or 0) for number in numbers] for row in cells]
    largest = max((value for row in values for value in row), default=0)
    scale = 255 if largest <= 1 and all(part is not None and part.type == REAL for part in parts) else 1
    return [colour_of([scale * value for value in row]) for row in values]


def colour_of(parts: Sequence[float]) -> Colour | None:
    """Return red, green and blue as a colour; None: one of them is none of 0..255."""
    red, green, blue = (round(part) for part in parts)
    return (red, green, blue) if all(0 <= part <= 255 for part in (red, green, blue)) else None


def attribute_table_xml(rows: Sequence[tuple[int, str, Colour]]) -> str:
    """Return the sidecar file of a raster whose pixel values stand for classes: code, name and colour of each."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    table = ElementTree.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    colours = (("Red", INTEGER, RED), ("Green", INTEGER, GREEN), ("Blue", INTEGER, BLUE))
    kind = INTEGER if all(-(2**31) <= code < 2**31 for code, *_ in rows) else REAL  # GDAL's integers have 32 bits
    columns = (("Value", kind, MIN_MAX), ("Class_Name", TEXT, NAME), *colours)
    for index, (title, kind, usage) in enumerate(columns):
        field = ElementTree.SubElement(table, "FieldDefn", index=str(index))
        for key, text in (("Name", title), ("Type", str(kind)), ("Usage", str(usage))):
            ElementTree.SubElement(field, key).text = text
    for index, (code, name, colour) in enumerate(rows):
        row = ElementTree.SubElement(table, "Row", index=str(index))
        for cell in (str(code), "".join(c for c in name if c.isprintable()), *map(str, colour)):
            ElementTree.SubElement(row, "F").text = cell
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
