"""Runs side by side: a table for the console, comparison.csv, comparison.md, and a figure."""

import csv
import io
import shutil
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from config import LESS_IS_BETTER
from evaluation.segmentation import COARSENED
from reporting.columns import SPREAD, spread
from reporting.comparison.figure import comparison_figure
from reporting.comparison.rows import Line, differing, lines_of, score_tags, shortened
from reporting.comparison.runs import read_runs
from reporting.figures.style import save
from storage import write_text
from training.runs.folder import RESULTS

WIDTH = 110  # columns of a console that does not tell its own
MAX_LENGTH = 32  # letters of a name or a setting in the console
GAP = "  "
# where these differ, other tiles are scored, or by other labels
SCORED_ON = (
    "maps", "validation_map", "image_size", "max_nodata", "seed", "validation_nb", "validation_spacing",
    "singleClassTreshold", "segmentation_cells", "segmentation_stride",
)  # fmt: skip


class Cell(NamedTuple):
    """A value of a table for people: "0.812", " ±0.011", and whether none in its column is better."""

    value: str
    rest: str = ""
    is_best: bool = False


class Table(NamedTuple):
    """A table for people.

    Attributes:
        title: of the table
        heads: of each column but the first its words, one below the other
        labels: of each row
        columns: of each column but the first a cell for every row
    """

    title: str
    heads: list[list[str]]
    labels: list[str]
    columns: list[list[Cell]]


def write_comparison(folders: list[Path], results: Path = RESULTS) -> str:
    """Write comparison.csv, .md, .png and .svg into `results`; gives the same as text for the console.

    Args:
        folders: of the runs; none: all of results/ that have scores
    Raises:
        UserError: see `read_runs`
        StorageError: nothing can be written there
    """
    runs = read_runs(folders)
    lines, keys, tags = lines_of(runs), differing(runs), score_tags(runs)
    tables, note, path = tables_of(lines, keys, tags), note_of(keys), results / "comparison"
    write_text(path.with_suffix(".csv"), csv_text(lines, keys, tags))
    write_text(path.with_suffix(".md"), markdown(tables, note))
    save(comparison_figure(lines, tags), path)
    width = shutil.get_terminal_size((WIDTH, 0)).columns
    return f"{console(tables, note, width)}\n\nWritten: {path}.csv, .md, .png and .svg"


def note_of(keys: list[str]) -> str:
    """A warning where the figures of some runs cannot be compared with those of others, "" where they can."""
    found = [key for key in keys if key.split(".")[0] in SCORED_ON]
    return f"Not all runs are scored on the same tiles and labels: they differ in {', '.join(found)}." if found else ""


def csv_text(lines: list[Line], keys: list[str], tags: list[str]) -> str:
    """The comparison for programs: a row for each run and each different baseline, mean and std of each score apart.

    The column `run` names all runs that a row is true of; of a baseline, the settings are those that they share.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["run", "features", "step", *keys, *(f"{tag} {part}" for tag in tags for part in ("mean", "std"))])
    for row in (row for line in lines for row in line.rows):
        names, settings = ", ".join(run.name for run in row.runs), [setting(row.shared(key), "") for key in keys]
        scores = [row.scores.get(tag, (float("nan"),) * 2)[-2:] for tag in tags]
        values = [f"{value:.6g}" if isfinite(value) else "" for score in scores for value in score]
        writer.writerow([names, row.features, row.step, *settings, *values])
    return file.getvalue()


def setting(value: Any, missing: str = "-") -> str:
    """The value of a config key as people write it."""
    if value is None:
        return missing
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(setting, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def tables_of(lines: list[Line], keys: list[str], tags: list[str]) -> list[Table]:
    """The settings in which the runs differ, and a table for each group of scores."""
    groups = dict.fromkeys(tag.split("/")[0] for tag in tags)
    scores = [_score_table(group, lines, [tag for tag in tags if tag.startswith(f"{group}/")]) for group in groups]
    return [_settings_table([line for line in lines if line.is_run], keys), *scores]


def _settings_table(lines: list[Line], keys: list[str]) -> Table:
    runs = [line.rows[0].runs[0] for line in lines]
    steps = [Cell(f"{run.step}" + (f" of {run.steps}" if run.step < run.steps else "")) for run in runs]
    values = [[Cell(setting(run.settings.get(key))) for run in runs] for key in keys]
    return Table("runs", [["step"], *([key] for key in keys)], [run.name for run in runs], [steps, *values])


def _score_table(group: str, lines: list[Line], tags: list[str]) -> Table:
    shown = [line for line in lines if any(line.values(tag) for tag in tags)]
    heads = [[*tag.split("/")[1:], *(["(less is better)"] if less_is_better(tag) else [])] for tag in tags]
    columns = [_score_column(shown, tag) for tag in tags]
    return Table(group.replace("_", " "), heads, [line.label for line in shown], columns)


def _score_column(lines: list[Line], tag: str) -> list[Cell]:
    """Bold is what no other row surpasses, baselines included: a network that loses to them is to be seen.

    Coarse labels do not count: they are no prediction, but made of the truth.
    """
    pick = min if less_is_better(tag) else max
    rivals = [line.values(tag) if line.rows[0].features != COARSENED else [] for line in lines]
    bests = [pick((score.mean for score in scores), default=None) for scores in rivals]
    best = pick((value for value in bests if value is not None), default=None)
    return [_cell(line, tag, own is not None and own == best) for line, own in zip(lines, bests)]


def _cell(line: Line, tag: str, is_best: bool) -> Cell:
    scores = line.values(tag)
    if not scores:
        return Cell("-")
    if len(scores) == 1:
        value, space, rest = spread(scores[0]).partition(" ")
        return Cell(value, space + rest, is_best)
    means = [score.mean for score in scores]
    return Cell(f"{min(means):.3f} to {max(means):.3f}", is_best=is_best)


def less_is_better(tag: str) -> bool:
    """Whether the metric of a score is an error."""
    return tag.split("/")[1] in LESS_IS_BETTER


def markdown(tables: list[Table], note: str) -> str:
    """The tables as GitHub shows them, the best of each column in bold."""
    about = f"Scores of each run's last evaluation: mean and {SPREAD}; the best in bold."
    parts = ["# Comparison of runs", " ".join(filter(None, [about, note])), *map(_markdown_table, tables)]
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    head = ["run", *(" ".join(words) for words in table.heads)]
    bold = [[f"**{c.value}**{c.rest}" if c.is_best else c.value + c.rest for c in column] for column in table.columns]
    rows = [head, ["---", *map(_alignment, table.columns)], *zip(table.labels, *bold)]
    text = "\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows)
    return f"## {table.title[0].upper()}{table.title[1:]}\n\n{text}"


def _alignment(column: list[Cell]) -> str:
    return "---:" if all(cell.value[0] in "-0123456789" for cell in column) else "---"


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def console(tables: list[Table], note: str, width: int) -> str:
    """The tables as text of at most `width` columns, as far as one column of a table fits; the best has a star."""
    about = f"each run's last evaluation: mean ±{SPREAD}; *: best of its column"
    return "\n\n".join([*(_console_table(table, width) for table in tables), "\n".join(filter(None, [about, note]))])


def _console_table(table: Table, width: int) -> str:
    labels = shortened(table.labels, MAX_LENGTH)
    first = max(map(len, [table.title, *labels]))
    columns = [_console_column(head, column) for head, column in zip(table.heads, table.columns)]
    height = max(map(len, columns))
    parts, room = [], -1
    for column in columns:
        room -= len(GAP + column[0])
        if room < 0:
            room = width - first - len(GAP + column[0])
            parts.append([[table.title, *[""] * (height - len(labels) - 1), *labels]])
            parts[-1][0] = [text.ljust(first) for text in parts[-1][0]]
        parts[-1].append([" " * len(column[0])] * (height - len(column)) + column)
    return "\n\n".join("\n".join(GAP.join(row).rstrip() for row in zip(*part)) for part in parts)


def _console_column(head: list[str], cells: list[Cell]) -> list[str]:
    texts = shortened([f"{'*' if cell.is_best else ''}{cell.value}{cell.rest}" for cell in cells], MAX_LENGTH)
    width = max(map(len, [*head, *texts]))
    return [text.rjust(width) for text in [*head, *texts]]
