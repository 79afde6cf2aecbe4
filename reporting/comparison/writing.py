"""Write the comparison of runs: a table for the console, comparison.csv, comparison.md, and a figure."""

import csv
import io
import shutil
import textwrap
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from config import LESS_IS_BETTER
from evaluation.segmentation import COARSENED
from reporting.comparison.figure import comparison_figure
from reporting.comparison.rows import TableRow, differing_keys, score_tags, shorten, table_rows
from reporting.comparison.runs import read_runs
from reporting.feature_sets import SPREAD_TEXT, format_score
from reporting.figures.style import save_figure
from storage import write_text
from training.runs.folder import RESULTS

DEFAULT_WIDTH = 110  # letters in a line, if the console does not know its width
MAX_LENGTH = 32  # letters of a name or a setting in the console
GAP = "  "
# runs that differ in one of these keys are scored on different tiles or labels
SCORED_TILES_KEYS = (
    "maps", "validation_map", "image_size", "max_nodata", "seed", "validation_nb", "validation_spacing",
    "singleClassTreshold", "segmentation_cells", "segmentation_stride",
)  # fmt: skip


class Cell(NamedTuple):
    """A cell of a table for people: "0.812", " ±0.011", and whether it is the best of its column."""

    value: str
    spread_text: str = ""
    is_best: bool = False


class Table(NamedTuple):
    """A table for people.

    Attributes:
        title: of the table, and header of its first column
        headers: of each other column, a list of words, one below the other
        row_labels: the texts of the first column
        columns: of each other column, a cell for each row
    """

    title: str
    headers: list[list[str]]
    row_labels: list[str]
    columns: list[list[Cell]]


def write_comparison(folders: list[Path], results: Path = RESULTS) -> str:
    """Write comparison.csv, .md, .png and .svg into `results`; return the comparison as text for the console.

    Args:
        folders: of the runs; if empty, all runs in results/ that have scores
        results: folder to write to
    Raises:
        UserError: see `read_runs`
        StorageError: nothing can be written to `results`
    """
    runs = read_runs(folders)
    rows, keys, tags = table_rows(runs), differing_keys(runs), score_tags(runs)
    tables, warning, path = make_tables(rows, keys, tags), comparability_warning(keys), results / "comparison"
    write_text(path.with_suffix(".csv"), csv_text(rows, keys, tags))
    verdicts = [f"{run.name}: {run.verdict}" for run in runs if run.verdict]
    write_text(path.with_suffix(".md"), markdown_text(tables, warning, verdicts))
    save_figure(comparison_figure(rows, tags), path)
    width = shutil.get_terminal_size((DEFAULT_WIDTH, 0)).columns
    return f"{console_text(tables, warning, width, verdicts)}\n\nWritten: {path}.csv, .md, .png and .svg"


def comparability_warning(keys: list[str]) -> str:
    """Return a warning if the scores of the runs cannot be compared, else ""; keys: in which the runs differ."""
    differing = [key for key in keys if key.split(".")[0] in SCORED_TILES_KEYS]
    if not differing:
        return ""
    return f"Not all runs are scored on the same tiles and labels: they differ in {', '.join(differing)}."


def csv_text(rows: list[TableRow], keys: list[str], tags: list[str]) -> str:
    """Return the comparison for programs: a row for each run and each different baseline; mean and std are two columns.

    The column `run` names all runs of a row. The row of a baseline has only the settings that all its runs share.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["run", "features", "step", *keys, *(f"{tag} {part}" for tag in tags for part in ("mean", "std"))])
    for feature_set in (feature_set for row in rows for feature_set in row.feature_sets):
        names = ", ".join(run.name for run in feature_set.runs)
        settings = [format_setting(feature_set.shared(key), "") for key in keys]
        scores = [feature_set.scores.get(tag, (float("nan"),) * 2)[-2:] for tag in tags]
        values = [f"{value:.6g}" if isfinite(value) else "" for score in scores for value in score]
        writer.writerow([names, feature_set.features, feature_set.step, *settings, *values])
    return file.getvalue()


def format_setting(value: Any, missing: str = "-") -> str:
    """Return the value of a config key as text for people."""
    if value is None:
        return missing
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(format_setting, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def make_tables(rows: list[TableRow], keys: list[str], tags: list[str]) -> list[Table]:
    """Return a table of the settings that differ, and a table for each group of scores."""
    groups = dict.fromkeys(tag.split("/")[0] for tag in tags)
    scores = [_score_table(group, rows, [tag for tag in tags if tag.startswith(f"{group}/")]) for group in groups]
    return [_settings_table([row for row in rows if row.is_run], keys), *scores]


def _settings_table(rows: list[TableRow], keys: list[str]) -> Table:
    runs = [row.feature_sets[0].runs[0] for row in rows]
    steps = [Cell(f"{run.step}" + (f" of {run.total_steps}" if run.step < run.total_steps else "")) for run in runs]
    values = [[Cell(format_setting(run.settings.get(key))) for run in runs] for key in keys]
    return Table("runs", [["step"], *([key] for key in keys)], [run.name for run in runs], [steps, *values])


def _score_table(group: str, rows: list[TableRow], tags: list[str]) -> Table:
    shown = [row for row in rows if any(row.finite_scores(tag) for tag in tags)]
    headers = [[*tag.split("/")[1:], *(["(less is better)"] if less_is_better(tag) else [])] for tag in tags]
    columns = [_score_column(shown, tag) for tag in tags]
    return Table(group.replace("_", " "), headers, [row.label for row in shown], columns)


def _score_column(rows: list[TableRow], tag: str) -> list[Cell]:
    """Return the cells of a column and mark the best one. Baselines count too: a network may be worse than they are.

    Coarse labels do not count, because they are not a prediction, but computed from the true labels.
    """
    pick = min if less_is_better(tag) else max
    rivals = [row.finite_scores(tag) if row.feature_sets[0].features != COARSENED else [] for row in rows]
    row_bests = [pick((score.mean for score in scores), default=None) for scores in rivals]
    best = pick((value for value in row_bests if value is not None), default=None)
    return [_cell(row, tag, row_best is not None and row_best == best) for row, row_best in zip(rows, row_bests)]


def _cell(row: TableRow, tag: str, is_best: bool) -> Cell:
    scores = row.finite_scores(tag)
    if not scores:
        return Cell("-")
    if len(scores) == 1:
        value, space, spread_text = format_score(scores[0]).partition(" ")
        return Cell(value, space + spread_text, is_best)
    means = [score.mean for score in scores]
    return Cell(f"{min(means):.3f} to {max(means):.3f}", is_best=is_best)


def less_is_better(tag: str) -> bool:
    """Return whether a small value of this score is good."""
    return tag.split("/")[1] in LESS_IS_BETTER


def markdown_text(tables: list[Table], warning: str, verdicts: list[str]) -> str:
    """Return the tables in GitHub's Markdown, with the best of each column in bold, and the verdicts on the runs."""
    about = f"Scores of each run's last evaluation: mean and {SPREAD_TEXT}; the best in bold."
    parts = ["# Comparison of runs", " ".join(filter(None, [about, warning])), *map(_markdown_table, tables)]
    if verdicts:
        parts.append("## Verdicts\n\n" + "\n".join(f"- {_escaped(each)}" for each in verdicts))
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    header = ["run", *(" ".join(words) for words in table.headers)]
    columns = [map(_markdown_cell, column) for column in table.columns]
    rows = [header, ["---", *map(_alignment, table.columns)], *zip(table.row_labels, *columns)]
    text = "\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows)
    return f"## {table.title[0].upper()}{table.title[1:]}\n\n{text}"


def _markdown_cell(cell: Cell) -> str:
    return f"**{cell.value}**{cell.spread_text}" if cell.is_best else cell.value + cell.spread_text


def _alignment(column: list[Cell]) -> str:
    return "---:" if all(cell.value[0] in "-0123456789" for cell in column) else "---"


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def console_text(tables: list[Table], warning: str, width: int, verdicts: list[str]) -> str:
    """Return the tables as text, then the verdicts on the runs; the best of each column has a star.

    Lines have at most `width` letters, unless a single column of a table is wider.
    """
    about = f"each run's last evaluation: mean ±{SPREAD_TEXT}; *: best of its column"
    wrapped = [textwrap.fill(each, width) for each in verdicts]
    return "\n\n".join(
        [*(_console_table(table, width) for table in tables), *wrapped, "\n".join(filter(None, [about, warning]))]
    )


def _console_table(table: Table, width: int) -> str:
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
