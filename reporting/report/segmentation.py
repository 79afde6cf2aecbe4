"""The tables of the segmentation's classes for the report of a run."""

import csv
from pathlib import Path

from reporting.columns import heading
from reporting.report.page import Html, table, text
from reporting.report.run import NETWORKS, Run
from reporting.segmentation import TABLE


def segmentation_tables(run: Run) -> list[Html]:
    """A table of the IoU of each class for the best and the last network, of those that are there."""
    found = {network: _read(run.folder / "figures" / network / TABLE) for network in NETWORKS}
    return [_table(NETWORKS[network], rows) for network, rows in found.items() if len(rows) > 1]


def _read(path: Path) -> list[list[str]]:
    """The rows of the file, all as long as the first; none if it is not there or cannot be read."""
    try:
        with path.open(encoding="utf8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, ValueError, csv.Error):
        return []
    return [row for row in rows if len(row) == len(rows[0])]


def _table(network: str, rows: list[list[str]]) -> Html:
    head, *body = rows
    shown = [
        [text(name), *(text(_describe(column, value)) for column, value in zip(head[1:], values))]
        for name, *values in body
    ]
    caption = f"Intersection over union of each class in the reserved cells, {network}"
    return table(caption, ["/".join(map(heading, column.split("/"))) for column in head], shown, "scores")


def _describe(column: str, value: str) -> str:
    """A number of pixels with commas, a share with three digits, anything else as it is."""
    try:
        return f"{int(value):,}" if column == "pixels" else f"{float(value):.3f}"
    except ValueError:
        return value or "-"
