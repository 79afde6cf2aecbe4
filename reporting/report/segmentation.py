"""The tables in the report of a run with the IoU of each class."""

import csv
from pathlib import Path

from reporting.feature_sets import feature_title
from reporting.report.html_elements import Html, table, text
from reporting.report.run import NETWORKS, RunFiles
from reporting.segmentation import CLASS_TABLE


def segmentation_tables(run: RunFiles) -> list[Html]:
    """Return a table of the IoU of each class for the best and the last network, if their files exist."""
    tables = {network: _read(run.folder / "figures" / network / CLASS_TABLE) for network in NETWORKS}
    return [_table(NETWORKS[network], rows) for network, rows in tables.items() if len(rows) > 1]


def _read(path: Path) -> list[list[str]]:
    """Read the rows of the file that are as long as the first one; [] if it is missing or cannot be read."""
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
    return table(caption, ["/".join(map(feature_title, column.split("/"))) for column in head], shown, "scores")


def _describe(column: str, value: str) -> str:
    """Return a number of pixels with commas, a share with three digits, and any other text unchanged."""
    try:
        return f"{int(value):,}" if column == "pixels" else f"{float(value):.3f}"
    except ValueError:
        return value or "-"
