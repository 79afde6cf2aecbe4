"""The values of a run's scores in each draw of tiles, from its draws.csv; runs of earlier revisions have none."""

import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HEADER = ["step", "features", "score", "values"]

Draws = dict[str, dict[str, list[float]]]  # features -> tag of a score -> its value in each draw, NaN: undefined


def latest_draws(folder: Path, step: int) -> Draws:
    """Return the latest values up to a step; {} without a file. folder: of the run."""
    draws: Draws = {}
    for evaluated, features, tag, values in sorted(_rows(folder / "draws.csv"), key=lambda row: row[0]):
        if evaluated <= step:
            draws.setdefault(features, {})[tag] = values
    return draws


def _rows(path: Path) -> Iterator[tuple[int, str, str, list[float]]]:
    """Yield step, features, tag and values of each row; damaged rows are left out."""
    with suppress(OSError), path.open(encoding="utf8", newline="") as file:
        reader = csv.reader(file)
        if next(reader, []) != HEADER:
            return
        for row in reader:
            with suppress(ValueError):
                step, features, tag, values = row
                yield int(step), features, tag, [float(value) for value in values.split()]
