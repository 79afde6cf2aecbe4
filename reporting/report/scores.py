"""The table of the scores for the report of a run."""

import math
from typing import NamedTuple

from config import LESS_IS_BETTER
from evaluation.scoring import Score
from evaluation.segmentation import COARSENED
from reporting.columns import SPREAD, heading, spread
from reporting.report.page import Html, Section, element, paragraph, table, text
from reporting.report.run import Row, Run
from reporting.table import TITLES


class Column(NamedTuple):
    """A column of the table: its heading, and its scores."""

    title: str
    scores: dict[Row, Score]


def scores_section(run: Run) -> Section:
    """The scores at the best step, and at the last where that is another, beside those of the baselines."""
    columns = columns_of(run)
    if not columns:
        return Section("scores", "Scores", paragraph(text("No evaluation is finished yet."), "quiet"))
    rows = _rows(columns)
    caption = f"Mean ± {SPREAD}; draws of tiles: {run.config.valIteration}. Bold: the best of a row"
    head = ["score", *(column.title for column in columns)]
    return Section("scores", "Scores", table(caption, head, rows, "scores"))


def columns_of(run: Run) -> list[Column]:
    """The columns that there are scores for."""
    columns = []
    if run.best_step is not None:
        is_last = run.best_step == run.last_step
        told = "best and last so far" if is_last and run.last_step < run.all_steps else "best"
        columns.append(Column(f"trained, step {run.best_step:,} ({told})", run.trained[run.best_step]))
        if not is_last:
            columns.append(Column(f"trained, step {run.last_step:,} (last)", run.trained[run.last_step]))
    return columns + [Column(heading(name), rows) for name, rows in run.baselines.items()]


def _rows(columns: list[Column]) -> list[list[Html]]:
    # a value at chance names a row only where the metric itself has one
    names = dict.fromkeys(row for column in columns if column.title != "chance" for row in column.scores)
    rows = []
    for task in dict.fromkeys(name[0] for name in names):
        rows.append([text(TITLES.get(task, task))])
        rows += [_row(name, columns) for name in names if name[0] == task]
    return rows


def _row(name: Row, columns: list[Column]) -> list[Html]:
    _, metric, model = name
    less = metric in LESS_IS_BETTER
    title = text(metric if model == "-" else f"{metric}, {model}")
    title = Html(title + element("small", text("less is better"))) if less else title
    scores = [column.scores.get(name) for column in columns]
    rivals = [score for score in scores if score is not None and score.features != COARSENED]
    means = [score.mean for score in rivals if math.isfinite(score.mean)]
    best = (min if less else max)(means, default=None)
    return [title, *(_cell(score, best) for score in scores)]


def _cell(score: Score | None, best: float | None) -> Html:
    if score is None:
        return text("-")
    is_best = score.mean == best and score.features != COARSENED
    return element("strong", text(spread(score))) if is_best else text(spread(score))
