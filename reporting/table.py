"""The scores of an evaluation as a table for the console."""

from config import LESS_IS_BETTER
from evaluation.scoring import Score
from evaluation.segmentation import COARSENED
from reporting.columns import COLUMNS, chance_apart, heading, spread

TITLES = {
    "single_class": "single class (the label of a tile)",
    "multi_class": "multi class (the proportions of a tile)",
    "segmentation": "segmentation (the class of a pixel)",
}


def score_table(scores: list[Score]) -> str:
    """The scores as text of at most 110 columns: a block per task, a row per metric and model.

    Its columns are the feature sets trained, untrained and band statistics, and the metric's value at chance, or for
    segmentation that of labels coarsened to windows; mean and standard deviation. "-" stands where there is no value.
    """
    apart = chance_apart(scores)
    tasks = dict.fromkeys(score.task for score in apart)
    return "\n\n".join(_block(task, [score for score in apart if score.task == task]) for task in tasks)


def _block(task: str, scores: list[Score]) -> str:
    cells = {(score.metric, score.model, score.features): spread(score) for score in scores}
    # A chance value names a row only where the metric itself has one: dict keys keep the order of the scores.
    rows = dict.fromkeys((score.metric, score.model) for score in scores if score.features != "chance")
    columns = [*COLUMNS[:-1], COARSENED if task == "segmentation" else COLUMNS[-1]]
    header = [TITLES.get(task, task), "", *(heading(column) for column in columns)]
    table = [header] + [
        [_metric(metric), "" if model == "-" else model] + [cells.get((metric, model, c), "-") for c in columns]
        for metric, model in rows
    ]
    return "\n".join(_line(row) for row in table)


def _metric(metric: str) -> str:
    return f"  {metric} (less is better)" if metric in LESS_IS_BETTER else f"  {metric}"


def _line(row: list[str]) -> str:
    name, model, *cells = row
    return f"{name:<40}{model:<4}" + "".join(f"{cell:>16}" for cell in cells)
