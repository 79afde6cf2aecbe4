"""The learning curves for the report of a run."""

import math

import numpy as np
from matplotlib.figure import Figure

from config import LESS_IS_BETTER
from reporting.columns import SPREAD, heading
from reporting.figures.curves import as_png, score_curve, step_curves
from reporting.report.page import Html, Section, gallery, joined, paragraph, picture, text
from reporting.report.pictures import of_png
from reporting.report.run import Curve, Row, Run

DOTS_PER_PIXEL = 2
MAX_SCORES = 6

# title, unit, and the curves in it by the name they are shown under
TRAINING = (
    ("Loss", "", {"loss": "loss"}),
    ("Active share", "share of terms over 0", {"active share": "active_share"}),
    ("Distances", "mean distance", {"positive": "positive_distance", "negative": "negative_distance"}),
    ("Embedding spread", "spread", {"embedding spread": "embedding_spread"}),
)
SPEED = (
    ("Tiles per second", "tiles per second", {"tiles per second": "tiles_per_second"}),
    ("Waiting for data", "share of the time", {"share of time waiting": "wait_share"}),
)
READ_SO = "Line: mean of successive steps; band: from their 10 % to their 90 %."
SCORES_SO = f"Trained network, in a band of its {SPREAD}, beside the baselines."


def curves_section(run: Run) -> Section:
    """Scores and what was logged of the training, over the steps."""
    scores, training = score_figures(run), step_figures(run, TRAINING)
    parts = []
    if scores:
        parts += [paragraph(text(SCORES_SO), "quiet"), gallery(scores, "curves")]
    if training:
        parts += [paragraph(text(READ_SO), "quiet"), gallery(training, "curves")]
    return Section("curves", "Learning curves", joined(parts or [paragraph(text("Nothing is logged yet."), "quiet")]))


def score_figures(run: Run) -> list[Html]:
    """A picture for each of the main scores that was evaluated at more than one step."""
    return [_score_figure(run, row) for row in main_scores(run) if len(run.trained) > 1]


def main_scores(run: Run) -> list[Row]:
    """The scores worth a curve: the one that the best network is chosen by, and one of each kind."""
    config, trained = run.config, [item for rows in run.trained.values() for item in rows.items()]
    known = {score.tag: row for row, score in trained if math.isfinite(score.mean)}
    single, multi = (names[:1] for names in (config.single_class_classifiers, config.multi_class_classifiers))
    tags = [config.best_metric, "retrieval/MAP@R", *(f"single_class/accuracy/{model}" for model in single)]
    tags += ["retrieval/MAP@1", *(f"multi_class/sum_error/{model}" for model in multi), "multi_class/gSil"]
    tags.append("single_class/silhouette")
    return [known[tag] for tag in dict.fromkeys(tags) if tag in known][:MAX_SCORES]


def step_figures(run: Run, panels: tuple) -> list[Html]:
    """A picture for each of the panels that something was logged for."""
    figures = []
    for title, unit, names in panels:
        curves = {shown: run.curves[name] for shown, name in names.items() if name in run.curves}
        if curves:
            drawn = step_curves(title, {shown: (curve.steps, curve.values) for shown, curve in curves.items()}, unit)
            told = "; ".join(_describe(shown, curve) for shown, curve in curves.items())
            figures.append(_embedded(drawn, f"{title}: {told}."))
    return figures


def _score_figure(run: Run, row: Row) -> Html:
    scores = {step: rows[row] for step, rows in run.trained.items() if row in rows}
    steps, means = np.array(list(scores)), np.array([score.mean for score in scores.values()])
    spreads = np.array([score.std for score in scores.values()])
    of_baselines = {name: rows[row].mean for name, rows in run.baselines.items() if row in rows}
    told = [_describe("trained", Curve(steps, means, steps))]
    told += [f"{heading(name)} {mean:.3g}" for name, mean in of_baselines.items() if math.isfinite(mean)]
    title = _title(row)
    return _embedded(score_curve(title, steps, means, spreads, of_baselines), f"{title}: {'; '.join(told)}.")


def _title(row: Row) -> str:
    _, metric, model = row
    less = " (less is better)" if metric in LESS_IS_BETTER else ""
    return f"{metric}{'' if model == '-' else f', {model}'}{less}"


def _describe(name: str, curve: Curve) -> str:
    first, last = curve.values[0], curve.values[-1]
    return f"{name} {first:.3g} at step {curve.steps[0]:,}, {last:.3g} at step {curve.steps[-1]:,}"


def _embedded(figure: Figure, alternative: str) -> Html:
    return picture(of_png(as_png(figure), DOTS_PER_PIXEL), alternative)
