"""The table of the scores of an evaluation for the console."""

from config import LESS_IS_BETTER
from evaluation.scoring import Score
from evaluation.segmentation import COARSENED
from reporting.feature_sets import FEATURES, feature_title, format_score, separate_chance

TASK_TITLES = {
    "single_class": "single class (the label of a tile)",
    "multi_class": "multi class (the proportions of a tile)",
    "segmentation": "segmentation (the class of a pixel)",
}


def score_table(scores: list[Score]) -> str:
    """Return the scores as a text table of at most 110 characters a line: a block per task, a row per metric and model.

    Each cell is mean and standard deviation, "-" if there is no value. The columns are the feature sets trained,
    untrained and band statistics, and last the metric at chance, or for segmentation the labels coarsened to windows.
    """
    separated = separate_chance(scores)
    tasks = dict.fromkeys(score.task for score in separated)
    return "\n\n".join(_block(task, [score for score in separated if score.task == task]) for task in tasks)


def _block(task: str, scores: list[Score]) -> str:
    cells = {(score.metric, score.model, score.features): format_score(score) for score in scores}
    # A value at chance alone makes no row. A dict, because its keys keep the order of the scores.
    rows = dict.fromkeys((score.metric, score.model) for score in scores if score.features != "chance")
    columns = [*FEATURES[:-1], COARSENED if task == "segmentation" else FEATURES[-1]]
    header = [TASK_TITLES.get(task, task), "", *(feature_title(column) for column in columns)]
    table = [header] + [
        [_metric_text(metric), "" if model == "-" else model]
        + [cells.get((metric, model, column), "-") for column in columns]
        for metric, model in rows
    ]
    return "\n".join(_row_text(row) for row in table)


def _metric_text(metric: str) -> str:
    return f"  {metric} (less is better)" if metric in LESS_IS_BETTER else f"  {metric}"


def _row_text(row: list[str]) -> str:
    name, model, *cells = row
    return f"{name:<40}{model:<4}" + "".join(f"{cell:>16}" for cell in cells)
