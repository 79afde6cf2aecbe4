"""The table of the scores of an evaluation for the console."""

import textwrap

from config import LESS_IS_BETTER
from evaluation.scores import Score
from reporting.feature_sets import CHANCE, feature_title, format_score, in_order, separate_chance

METRIC_WIDTH, MODEL_WIDTH, CELL_WIDTH, GAP = 29, 7, 12, 2  # letters
TASK_TITLES = {
    "single_class": "single class (the label of a tile)",
    "multi_class": "multi class (the proportions of a tile)",
    "segmentation": "segmentation (the class of a pixel)",
    "embedding": "embedding (no label map is given, so nothing is scored)",
}


def score_table(scores: list[Score]) -> str:
    """Return the scores as a text table: a block per task, a row per metric and model.

    Each cell is mean and standard deviation, "-" if there is no value. The columns are the feature sets that have
    scores in this task: trained, the yardsticks, and last the metric at chance, or for segmentation the labels
    coarsened to windows. A line has at most 110 characters, and 14 more for every yardstick of the user's.
    """
    separated = separate_chance(scores)
    tasks = dict.fromkeys(score.task for score in separated)
    return "\n\n".join(_block(task, [score for score in separated if score.task == task]) for task in tasks)


def _block(task: str, scores: list[Score]) -> str:
    cells = {(score.metric, score.model, score.features): format_score(score) for score in scores}
    # A value at chance alone makes no row. A dict, because its keys keep the order of the scores.
    rows = dict.fromkeys((score.metric, score.model) for score in scores if score.features != CHANCE)
    columns = in_order(score.features for score in scores)
    table = [
        [_metric_text(metric), "" if model == "-" else model]
        + [cells.get((metric, model, column), "-") for column in columns]
        for metric, model in rows
    ]
    return "\n".join([TASK_TITLES.get(task, task), *(_row_text(row) for row in [*_header(columns), *table])])


def _header(columns: list[str]) -> list[list[str]]:
    """Return the rows of the columns' titles, which are wrapped and end in the last row."""
    titles = [textwrap.wrap(feature_title(column), CELL_WIDTH) for column in columns]
    height = max(map(len, titles))
    padded = [[""] * (height - len(title)) + title for title in titles]
    return [["", "", *words] for words in zip(*padded)]


def _metric_text(metric: str) -> str:
    return f"  {metric} (less is better)" if metric in LESS_IS_BETTER else f"  {metric}"


def _row_text(row: list[str]) -> str:
    name, model, *cells = row
    return f"{name:<{METRIC_WIDTH}}{model:<{MODEL_WIDTH}}" + "".join(f"{cell:>{CELL_WIDTH + GAP}}" for cell in cells)
