"""Tables for people: as Markdown, and as text for the console."""

from typing import NamedTuple

MAX_LENGTH = 32  # letters of a name or a setting in the console
GAP = "  "


class Cell(NamedTuple):
    """A cell of a table for people: "0.812", " ±0.011", and whether it is the best of its column."""

    value: str
    spread_text: str = ""
    is_best: bool = False


class Table(NamedTuple):
    """A table for people.

    Attributes:
        title: of the table; in the console also the header of its first column
        headers: of each other column, a list of words, one below the other
        row_labels: the texts of the first column
        columns: of each other column, a cell for each row
        first_header: of the first column, in Markdown
    """

    title: str
    headers: list[list[str]]
    row_labels: list[str]
    columns: list[list[Cell]]
    first_header: str = "run"


def markdown_table(table: Table, level: int = 2) -> str:
    """Return a table in GitHub's Markdown below a heading of this level, with the best of each column in bold."""
    header = [table.first_header, *(" ".join(words) for words in table.headers)]
    columns = [map(_markdown_cell, column) for column in table.columns]
    rows = [header, ["---", *map(_alignment, table.columns)], *zip(table.row_labels, *columns)]
    text = "\n".join("| " + " | ".join(escaped(cell) for cell in row) + " |" for row in rows)
    return f"{'#' * level} {table.title[0].upper()}{table.title[1:]}\n\n{text}"


def _markdown_cell(cell: Cell) -> str:
    return f"**{cell.value}**{cell.spread_text}" if cell.is_best else cell.value + cell.spread_text


def _alignment(column: list[Cell]) -> str:
    return "---:" if all(cell.value[0] in "+-0123456789" for cell in column) else "---"


def escaped(text: str) -> str:
    """Return text as one line that is a cell of a Markdown table, or part of it."""
    return " ".join(text.replace("|", "\\|").split())


def console_table(table: Table, width: int) -> str:
    """Return a table as text in lines of at most `width` letters, unless a column is wider; * marks the best."""
    row_labels = shorten(table.row_labels, MAX_LENGTH)
    label_width = max(map(len, [table.title, *row_labels]))
    columns = [_console_column(header, column) for header, column in zip(table.headers, table.columns)]
    height = max(map(len, columns))
    parts, width_left = [], -1
    for column in columns:
        width_left -= len(GAP + column[0])
        if width_left < 0:
            width_left = width - label_width - len(GAP + column[0])
            parts.append([[table.title, *[""] * (height - len(row_labels) - 1), *row_labels]])
            parts[-1][0] = [text.ljust(label_width) for text in parts[-1][0]]
        parts[-1].append([" " * len(column[0])] * (height - len(column)) + column)
    return "\n\n".join("\n".join(GAP.join(row).rstrip() for row in zip(*part)) for part in parts)


def _console_column(header: list[str], cells: list[Cell]) -> list[str]:
    texts = shorten([f"{'*' if cell.is_best else ''}{cell.value}{cell.spread_text}" for cell in cells], MAX_LENGTH)
    width = max(map(len, [*header, *texts]))
    return [text.rjust(width) for text in [*header, *texts]]


def shorten(names: list[str], max_length: int) -> list[str]:
    """Shorten names to `max_length` letters, cut in the middle; names stay longer if they would become equal."""
    for length in range(max_length, max(map(len, names), default=0), 4):
        half = length // 2
        short = [name if len(name) <= length else f"{name[:half]}…{name[half + 1 - length :]}" for name in names]
        if len(set(short)) == len(set(names)):
            return short
    return names
