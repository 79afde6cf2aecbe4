"""The section of learning curves in the report of a run."""

import math

import numpy as np
from matplotlib.figure import Figure

from config import LESS_IS_BETTER, USED_DIMENSIONS
from reporting.feature_sets import SPREAD_TEXT, TRAINED, feature_title
from reporting.figures.curves import figure_to_png, score_curve, step_curves
from reporting.report.html_elements import Html, Section, gallery, join, paragraph, picture, text
from reporting.report.pictures import picture_of_png
from reporting.report.run import RunFiles, ScoreKey
from reporting.tensorboard.logged_curves import Curve

DOTS_PER_PIXEL = 2
MAX_SCORES = 6

# title, label of the y axis, and name in the legend -> name of the curve
TRAINING = (
    ("Loss", "", {"loss": "loss"}),
    ("Active share", "share of loss terms above 0", {"active share": "active_share"}),
    ("Distances", "mean distance", {"positive": "positive_distance", "negative": "negative_distance"}),
    ("Embedding spread", "spread", {"embedding spread": "embedding_spread"}),
    (
        "False pairs",
        "share of the pairs with labels",
        {"false negatives": "false_negatives", "false positives": "false_positives"},
    ),
)
SPEED = (
    ("Tiles per second", "tiles per second", {"tiles per second": "tiles_per_second"}),
    ("Waiting for data", "share of the time", {"waiting for data": "wait_share"}),
)
STEP_CURVES_TEXT = "Line: mean of successive steps; band: their 10 % to 90 % percentiles."
FALSE_PAIRS_TEXT = (
    "False negatives: share of the pairs that were pushed apart although both tiles have one class; false positives: "
    "of those that were drawn together although their classes differ. Near 0 the pairs agree with the label map."
)
SCORE_CURVES_TEXT = f"Trained network, with a band of its {SPREAD_TEXT}, beside the yardsticks."


def curves_section(run: RunFiles) -> Section:
    """Return the section of the curves of scores and of logged training values."""
    scores, training = score_figures(run), step_figures(run, TRAINING)
    parts = []
    if scores:
        parts += [paragraph(text(SCORE_CURVES_TEXT), "quiet"), gallery(scores, "curves")]
    if training:
        about = (
            f"{STEP_CURVES_TEXT} {FALSE_PAIRS_TEXT}"
            if {"false_negatives", "false_positives"} & set(run.curves)
            else STEP_CURVES_TEXT
        )
        parts += [paragraph(text(about), "quiet"), gallery(training, "curves")]
    return Section(
        "curves", "Learning curves", join(parts or [paragraph(text("Nothing has been logged yet."), "quiet")])
    )


def score_figures(run: RunFiles) -> list[Html]:
    """Return a figure for each main score, if the run was evaluated at more than one step."""
    return [_score_figure(run, row) for row in main_scores(run) if len(run.trained) > 1]


def main_scores(run: RunFiles) -> list[ScoreKey]:
    """Return the scores that get a curve: the one that chooses the best network, and one of each kind."""
    config, trained = run.config, [item for rows in run.trained.values() for item in rows.items()]
    known = {score.tag: row for row, score in trained if math.isfinite(score.mean)}
    single, multi = (names[:1] for names in (config.single_class_classifiers, config.multi_class_classifiers))
    tags = [config.best_score, "retrieval/MAP@R", *(f"single_class/accuracy/{model}" for model in single)]
    tags += ["retrieval/MAP@1", *(f"multi_class/sum_error/{model}" for model in multi), "multi_class/gSil"]
    tags += ["single_class/silhouette", USED_DIMENSIONS]
    return [known[tag] for tag in dict.fromkeys(tags) if tag in known][:MAX_SCORES]


def step_figures(run: RunFiles, panels: tuple) -> list[Html]:
    """Return a figure for each of the panels for which values were logged; panels: as TRAINING."""
    figures = []
    for title, unit, names in panels:
        curves = {label: run.curves[name] for label, name in names.items() if name in run.curves}
        if curves:
            figure = step_curves(title, {label: (curve.steps, curve.values) for label, curve in curves.items()}, unit)
            descriptions = "; ".join(_describe(label, curve) for label, curve in curves.items())
            figures.append(_embed(figure, f"{title}: {descriptions}."))
    return figures


def _score_figure(run: RunFiles, row: ScoreKey) -> Html:
    scores = {step: rows[row] for step, rows in run.trained.items() if row in rows}
    steps, means = np.array(list(scores)), np.array([score.mean for score in scores.values()])
    spreads = np.array([score.std for score in scores.values()])
    yardstick_means = {name: rows[row].mean for name, rows in run.yardsticks.items() if row in rows}
    descriptions = [_describe(TRAINED, Curve(steps, means, steps))]
    descriptions += [
        f"{feature_title(name)} {mean:.3g}" for name, mean in yardstick_means.items() if math.isfinite(mean)
    ]
    title = _title(row)
    return _embed(score_curve(title, steps, means, spreads, yardstick_means), f"{title}: {'; '.join(descriptions)}.")


def _title(row: ScoreKey) -> str:
    _, metric, model = row
    less = " (less is better)" if metric in LESS_IS_BETTER else ""
    return f"{metric}{'' if model == '-' else f', {model}'}{less}"


def _describe(name: str, curve: Curve) -> str:
    first, last = curve.values[0], curve.values[-1]
    return f"{name} {first:.3g} at step {curve.steps[0]:,}, {last:.3g} at step {curve.steps[-1]:,}"


def _embed(figure: Figure, alt_text: str) -> Html:
    return picture(picture_of_png(figure_to_png(figure), DOTS_PER_PIXEL), alt_text)
