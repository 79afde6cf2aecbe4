"""The files of a grid: grid.csv, summary.csv, differences.csv, summary.md and the figure."""

import csv
import io
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from math import isfinite
from statistics import fmean

from evaluation.differences import Difference
from grid.differences import row_difference
from grid.figure import grid_figure
from grid.plan import Plan
from grid.results import MapResults, Row, best_row, read_results, shown_tags
from reporting.comparison.rows import differing_keys, header_words
from reporting.comparison.writing import DEFAULT_WIDTH, comparability_warning
from reporting.figures.style import save_figure
from reporting.tables import Cell, Table, console_table, markdown_table
from storage import write_text

BEST_YARDSTICK = "best yardstick"


def write_tables(plan: Plan) -> str:
    """Write the tables and the figure of all complete runs; return the summary as text for the console.

    Raises:
        StorageError: a file cannot be written
    """
    results, folder = read_results(plan), plan.folder
    if not results:
        return f"{folder}: no run is complete yet, so there are no tables."
    write_text(folder / "grid.csv", _csv(_score_rows(results)))
    write_text(folder / "summary.csv", _csv(_summary_rows(results)))
    write_text(folder / "differences.csv", _csv(_difference_rows(plan, results)))
    write_text(folder / "summary.md", markdown_text(plan, results))
    save_figure(grid_figure(results, lambda result: shown_tags(plan, result.tags)), folder / "figure")
    width = shutil.get_terminal_size((DEFAULT_WIDTH, 0)).columns
    tables = [console_table(summary_table(plan, result), width) for result in results]
    about = [_about(plan, results), *(_warning(plan, result) for result in results)]
    told = "\n".join(textwrap.fill(each, width) for each in about if each)
    return "\n\n".join(["", *tables, f"{told}\nWritten: {folder}/summary.md, figure.png and others"])


def _csv(rows: Iterable[list]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([_number(value) for value in row] for row in rows)
    return file.getvalue()


def _number(value: object) -> object:
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if isfinite(value) else ""


def _score_rows(results: list[MapResults]) -> Iterator[list]:
    """Yield a row for each score of each run, with mean and standard deviation over the draws."""
    yield ["config", "map", "seed", "step", "features", "score", "mean", "std"]
    for cell, run in (each for result in results for each in result.runs):
        for features, scores in run.scores.items():
            for tag, score in scores.items():
                yield [cell.row, cell.map_name, cell.seed, run.step, features, tag, score.mean, score.std]


def _summary_rows(results: list[MapResults]) -> Iterator[list]:
    """Yield a row for each config and yardstick on each map, with mean and standard deviation over the seeds."""
    tags = list(dict.fromkeys(tag for result in results for tag in result.tags))
    columns = [f"{tag} {part}" for tag in tags for part in ("mean", "std")]
    yield ["map", "config", "features", "seeds", "steps", "minutes", *columns]
    for result in results:
        for row in result.rows:
            seeds = max((len(values) for values in row.scores.values()), default=0)
            numbers = [value for tag in tags for value in (row.mean(tag), row.spread(tag))]
            yield [result.name, row.label, row.features, seeds, _mean(row.steps), _mean(row.minutes), *numbers]


def _mean(values: list) -> float:
    return fmean(values) if values else float("nan")


def _difference_rows(plan: Plan, results: list[MapResults]) -> Iterator[list]:
    """Yield a row for each score of each row but the reference, and of each config and the best yardstick."""
    yield ["map", "config", "compared with", "score", "mean", "standard error", "pairs", "verdict"]
    for result in results:
        for reference in (plan.reference, BEST_YARDSTICK):
            for row, tag, other, difference in _differences(plan, result, reference, result.tags):
                yield [result.name, row.label, other.label, tag, *difference[:4]]


def _differences(
    plan: Plan, result: MapResults, reference: str, tags: list[str]
) -> Iterator[tuple[Row, str, Row, Difference]]:
    """Yield each config's difference to a reference in each score; reference: a row's name, or BEST_YARDSTICK."""
    for row in result.configs:
        for tag in tags:
            other = best_row(result.yardsticks, tag) if reference == BEST_YARDSTICK else result.row(reference)
            if other is not None and other is not row and row.values(tag) and other.values(tag):
                yield row, tag, other, row_difference(row, other, tag)


def markdown_text(plan: Plan, results: list[MapResults]) -> str:
    """Return the tables in GitHub's Markdown: of each map the scores, and the differences to row and yardsticks."""
    parts = [f"# Grid {plan.name}", _about(plan, results)]
    for result in results:
        parts += [markdown_table(summary_table(plan, result)), *filter(None, [_warning(plan, result)])]
        for reference in (plan.reference, BEST_YARDSTICK):
            table = difference_table(plan, result, reference)
            parts += [markdown_table(table, 3)] if table.row_labels else []
    return "\n\n".join(parts) + "\n"


def _about(plan: Plan, results: list[MapResults]) -> str:
    complete = sum(len(result.runs) for result in results)
    return (
        f"{complete} of {len(plan.cells)} runs are complete. Mean ± standard deviation over {len(plan.file.seeds)} "
        "seeds; the best of each column is marked. Differences are paired, on equal tiles; better and worse are means "
        "beyond two standard errors. Minutes: of a whole run, beside the others that went at a time."
    )


def _warning(plan: Plan, result: MapResults) -> str:
    """Return a warning if not all configs are scored on the same tiles of a map, or by equally many runs, else ""."""
    differing = [key for key in differing_keys([run for _, run in result.runs]) if key != "seed"]
    tiles, seeds = comparability_warning(differing), len(plan.file.seeds)
    fewer = [f"{row.label} has {len(row.steps)}" for row in result.configs if len(row.steps) < seeds]
    warnings = [f"{tiles} Differences are then not on equal tiles."] if tiles else []
    warnings += [f"Not all means are over {seeds} seeds: {', '.join(fewer)}."] if fewer else []
    return f"Map {result.name}: {' '.join(warnings)}" if warnings else ""


def summary_table(plan: Plan, result: MapResults) -> Table:
    """Return the table of a map: a row for each config and yardstick, a column for each score that is shown."""
    tags = shown_tags(plan, result.tags)
    rivals = [*result.configs, *result.yardsticks]
    columns = [[_score_cell(row, tag, best_row(rivals, tag)) for row in result.rows] for tag in tags]
    steps = [Cell(f"{_mean(row.steps):,.0f}" if row.steps else "-") for row in result.rows]
    minutes = [_mean(row.minutes) for row in result.rows]
    times = [Cell(f"{value:.1f}" if isfinite(value) else "-") for value in minutes]
    headers = [*(header_words(tag) for tag in tags), ["steps"], ["minutes"]]
    return Table(f"map {result.name}", headers, [row.label for row in result.rows], [*columns, steps, times], "config")


def _score_cell(row: Row, tag: str, best: Row | None) -> Cell:
    mean, spread = row.mean(tag), row.spread(tag)
    if not isfinite(mean):
        return Cell("-")
    is_best = best is not None and mean == best.mean(tag)
    return Cell(f"{mean:.3f}", f" ±{spread:.3f}" if isfinite(spread) else "", is_best)


def difference_table(plan: Plan, result: MapResults, reference: str) -> Table:
    """Return the table of the differences to a row or to the best yardstick; "better" ones are marked."""
    tags = shown_tags(plan, result.tags)
    found = {(row.label, tag): each for row, tag, _, each in _differences(plan, result, reference, tags)}
    labels = list(dict.fromkeys(label for label, _ in found))
    columns = [[_difference_cell(found.get((label, tag))) for label in labels] for tag in tags]
    headers = [[*header_words(tag), *_best_words(result, tag, reference)] for tag in tags]
    title = f"map {result.name}: difference to {reference}, ± standard error"
    return Table(title, headers, labels, columns, "config")


def _best_words(result: MapResults, tag: str, reference: str) -> list[str]:
    best = best_row(result.yardsticks, tag) if reference == BEST_YARDSTICK else None
    return [f"- {best.label}"] if best else []


def _difference_cell(difference: Difference | None) -> Cell:
    if difference is None:
        return Cell("-")
    spread = f" ±{difference.error:.3f}" if isfinite(difference.error) else ""
    verdict = difference.verdict
    return Cell(f"{difference.mean:+.3f}", f"{spread} {verdict}".rstrip(), verdict == "better")
