"""The section of the report of a run with the table of its scores."""

import math
from typing import NamedTuple

from config import LESS_IS_BETTER
from evaluation.differences import is_score
from evaluation.scores import Score
from evaluation.segmentation import COARSENED
from reporting.console_table import TASK_TITLES
from reporting.feature_sets import CHANCE, SPREAD_TEXT, TRAINED, UNTRAINED, feature_title, format_score
from reporting.report.html_elements import Html, Section, element, join, paragraph, table, text
from reporting.report.run import RunFiles, ScoreKey


class Column(NamedTuple):
    """A column of the table: its title and its scores."""

    title: str
    scores: dict[ScoreKey, Score]


def scores_section(run: RunFiles) -> Section:
    """Return the section of the scores at the best and at the last step, beside the yardsticks."""
    columns = score_columns(run)
    if not columns:
        return Section("scores", "Scores", paragraph(text("No evaluation has finished yet."), "quiet"))
    rows = _rows(columns)
    caption = f"Mean ± {SPREAD_TEXT}; draws of tiles: {run.config.valIteration}. Bold: best of the row"
    head = ["score", *(column.title for column in columns)]
    return Section("scores", "Scores", join([table(caption, head, rows, "scores"), *_left_out(run)]))


def _left_out(run: RunFiles) -> list[Html]:
    """Return a list of one sentence that says how many evaluations were left out, or an empty list if none was.

    On a CPU none ever is: where one is missing there, `evaluate_every` was changed when the run was resumed.
    """
    config, last = run.config, run.last_step or 0
    due = [step for step in range(config.iterations, last + 1, config.iterations) if config.is_evaluated_after(step)]
    left_out = len(set(due) - set(run.trained))
    if not left_out or config.device == "cpu":
        return []
    line = f"{left_out:,} of {len(due):,} evaluations were left out, because training does not wait for them."
    return [paragraph(text(line), "quiet")]


def score_columns(run: RunFiles) -> list[Column]:
    """Return the columns: best step, last step if it is another one, yardsticks; only those that have scores."""
    columns = []
    if run.best_step is not None and run.last_step is not None:  # both exist as soon as one network is scored
        is_last = run.best_step == run.last_step
        which = "best and last so far" if is_last and run.last_step < run.total_steps else "best"
        network = TRAINED if run.best_step else UNTRAINED
        columns.append(Column(f"{network}, step {run.best_step:,} ({which})", run.trained[run.best_step]))
        if not is_last:
            columns.append(Column(f"trained, step {run.last_step:,} (last)", run.trained[run.last_step]))
    shown = [name for name in run.yardsticks if run.best_step != 0 or name != UNTRAINED]  # not the same one twice
    return columns + [Column(feature_title(name), run.yardsticks[name]) for name in shown]


def _rows(columns: list[Column]) -> list[list[Html]]:
    # a value at chance alone makes no row
    names = dict.fromkeys(row for column in columns if column.title != CHANCE for row in column.scores)
    rows = []
    for task in dict.fromkeys(name[0] for name in names):
        rows.append([text(TASK_TITLES.get(task, task))])
        rows += [_row(name, columns) for name in names if name[0] == task]
    return rows


def _row(name: ScoreKey, columns: list[Column]) -> list[Html]:
    _, metric, model = name
    less = metric in LESS_IS_BETTER
    title = text(metric if model == "-" else f"{metric}, {model}")
    title = Html(title + element("small", text("less is better"))) if less else title
    scores = [column.scores.get(name) for column in columns]
    rivals = [score for score in scores if score and score.features != COARSENED and is_score(score.tag)]
    means = [score.mean for score in rivals if math.isfinite(score.mean)]
    best = (min if less else max)(means, default=None)
    return [title, *(_cell(score, best) for score in scores)]


def _cell(score: Score | None, best: float | None) -> Html:
    if score is None:
        return text("-")
    is_best = score.mean == best and score.features != COARSENED
    return element("strong", text(format_score(score))) if is_best else text(format_score(score))
