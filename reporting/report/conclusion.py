"""The verdict on a run, from the files in its folder."""

import math

import numpy as np

from config import USED_DIMENSIONS
from evaluation.scores import objective
from reporting.draws_csv import draws_at
from reporting.feature_sets import TRAINED
from reporting.report.run import RunFiles
from reporting.verdict import Facts, verdict

UNSCORED = (
    "No label map was given ('validation_map' is null), so nothing is scored; the last network counts as the best."
)


def run_verdict(run: RunFiles) -> str:
    """Return the verdict on the best network of a run that has been evaluated so far; "" without an evaluation."""
    if run.config.validation_map is None:
        return UNSCORED
    if run.best_step is None:
        return ""
    draws = draws_at(run.draws, run.best_step)
    used = [value for value in draws.get(TRAINED, {}).get(USED_DIMENSIONS, []) if math.isfinite(value)]
    tag = run.config.best_score
    facts = Facts(
        tag, list(run.trained), run.best_step, run.total_steps,
        has_best_metric=any(objective(scores.values(), tag) > -math.inf for scores in run.trained.values()),
        false_negatives=_mean_of_curve(run, "false_negatives"), false_positives=_mean_of_curve(run, "false_positives"),
        used_dimensions=float(np.mean(used)) if used else math.nan,
    )  # fmt: skip
    return verdict(draws, facts)


def _mean_of_curve(run: RunFiles, name: str) -> float:
    values = run.curves[name].values if name in run.curves else np.empty(0)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else math.nan
