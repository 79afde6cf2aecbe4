"""Write the comparison of runs: a table for the console, comparison.csv, comparison.md, and a figure."""

import csv
import io
import shutil
import textwrap
from math import isfinite
from pathlib import Path
from typing import Any

from evaluation.differences import less_is_better
from evaluation.segmentation import COARSENED
from reporting.comparison.figure import comparison_figure
from reporting.comparison.rows import TableRow, differing_keys, header_words, score_tags, table_rows
from reporting.comparison.runs import read_runs
from reporting.feature_sets import SPREAD_TEXT, format_score
from reporting.figures.style import save_figure
from reporting.tables import Cell, Table, console_table, escaped, markdown_table
from storage import write_text
from training.runs.folder import RESULTS

DEFAULT_WIDTH = 110  # letters in a line, if the console does not know its width
# runs that differ in one of these keys are scored on different tiles or labels
SCORED_TILES_KEYS = (
    "maps", "validation_map", "image_size", "max_nodata", "seed", "validation_nb", "validation_spacing",
    "singleClassTreshold", "segmentation_cells", "segmentation_stride",
)  # fmt: skip


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
    """Return the comparison for programs: a row for each run and each different yardstick.

    Mean and std are two columns. The column `run` names all runs of a row. The row of a yardstick has only the
    settings that all its runs share.
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
    columns = [_score_column(shown, tag) for tag in tags]
    return Table(group.replace("_", " "), [header_words(tag) for tag in tags], [row.label for row in shown], columns)


def _score_column(rows: list[TableRow], tag: str) -> list[Cell]:
    """Return the cells of a column and mark the best one. Yardsticks count too: a network may be worse than they are.

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


def markdown_text(tables: list[Table], warning: str, verdicts: list[str]) -> str:
    """Return the tables in GitHub's Markdown, with the best of each column in bold, and the verdicts on the runs."""
    about = f"Scores of each run's last evaluation: mean and {SPREAD_TEXT}; the best in bold."
    parts = ["# Comparison of runs", " ".join(filter(None, [about, warning])), *map(markdown_table, tables)]
    if verdicts:
        parts.append("## Verdicts\n\n" + "\n".join(f"- {escaped(each)}" for each in verdicts))
    return "\n\n".join(parts) + "\n"


def console_text(tables: list[Table], warning: str, width: int, verdicts: list[str]) -> str:
    """Return the tables as text, then the verdicts on the runs; the best of each column has a star.

    Lines have at most `width` letters, unless a single column of a table is wider.
    """
    about = f"each run's last evaluation: mean ±{SPREAD_TEXT}; *: best of its column"
    wrapped = [textwrap.fill(each, width) for each in verdicts]
    return "\n\n".join(
        [*(console_table(table, width) for table in tables), *wrapped, "\n".join(filter(None, [about, warning]))]
    )
