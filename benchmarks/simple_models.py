"""Simple models are fitted in less time than scikit-learn alone needs

The simple models of an evaluation whose fit is this project's own, beside what scikit-learn offers for the same model,
each with one thread: the random convolutions, 1,024 features, of 2,000 tiles of stripes of land cover, 13 classes that
differ in colour and noise, and 5,000 tiles with 64 features for the forests (a tenth of their trees).

Logistic regression: the choice of its strength in three folds, each power of ten from the weights of the one before,
and a fit, beside the same with `LogisticRegression`. Both stop at a gradient of 0.001, in their own coordinates; which
of them comes nearer to the least objective is told. Ridge regression: beside `RidgeCV`. Forests: trees that see every
feature in steps, beside trees that see all of its values.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.gsil import tiles
from benchmarks.measure import Row, Setting, at_most, faster, in_turn
from evaluation.linear import FOLDS, PENALTIES, STRENGTHS, deal_folds, logistic_classifier, ridge_regressor
from evaluation.models import of_levels
from networks import RandomConvolutions

CLASSES, TREES = 13, 15
BANDS, SIDE = 4, 32  # of a tile, in pixels
SOLVER = {"tol": 1e-3, "max_iter": 200}


def measure(setting: Setting) -> list[Row]:
    """Measure seconds of a fit of each model, by scikit-learn and by this project."""
    features, proportions = convolved(setting.number(2_000, 90))
    labels = proportions.argmax(1)
    few, of_few = tiles(setting.number(5_000, 90), CLASSES)
    forests = RandomForestClassifier(TREES, random_state=0), RandomForestRegressor(TREES, random_state=0)
    ridge = RidgeCV(alphas=PENALTIES), ridge_regressor()
    with threadpool_limits(1):
        return [
            *beside(
                "logistic regression", setting, partial(fit_by_scikit_learn, features, labels),
                lambda: logistic_classifier().fit(features, labels), 2,
            ),
            *(nearer(features, labels)),
            *beside("ridge regression", setting, *(partial(model.fit, features, proportions) for model in ridge), 2),
            *beside("forest of labels", setting, *of_both(forests[0], few, of_few.argmax(1)), 1.2),
            *beside("forest of proportions", setting, *of_both(forests[1], few, of_few), 1.2),
        ]  # fmt: skip


def beside(name: str, setting: Setting, theirs: Callable, ours: Callable, bound: float) -> list[Row]:
    """Return rows of the seconds of two ways, and of a claim how many times faster the second one is."""
    ways = {f"{name}, scikit-learn": theirs, f"{name}, this project": ours}
    timings = in_turn({each: partial(without_value, way) for each, way in ways.items()}, setting.rounds)
    before, now = timings.values()
    rows = [Row(each, timing.duration()) for each, timing in timings.items()]
    return [*rows, faster(f"{name}: faster", now.times(before), bound)]


def of_both(forest: BaseEstimator, features: np.ndarray, targets: np.ndarray) -> tuple[Callable, Callable]:
    """Return the fit of a forest to all values, and to their steps."""
    return partial(forest.fit, features, targets), partial(of_levels(forest).fit, features, targets)


def convolved(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the scaled random convolutions (count, 1024) of tiles, and the tiles' class proportions."""
    rng = np.random.default_rng(0)
    colours, noises = rng.normal(size=(CLASSES, BANDS, 1, 1)), rng.uniform(0.2, 1, (CLASSES, 1, 1, 1))
    proportions = rng.dirichlet(np.full(CLASSES, 0.3), count)
    of_column = (proportions.cumsum(1)[..., None] < (np.arange(SIDE) + 0.5) / SIDE).sum(1).clip(max=CLASSES - 1)
    pixels = rng.normal(size=(count, SIDE, BANDS, SIDE, 1)) * noises[of_column] + colours[of_column]  # (N, W, C, H, 1)
    tiles = torch.from_numpy(pixels[..., 0].transpose(0, 2, 3, 1).astype(np.float32))
    with torch.no_grad():
        features = RandomConvolutions([0.0] * BANDS, [1.0] * BANDS)(tiles).numpy()
    return StandardScaler().fit_transform(features.astype(np.float64)), proportions


def fit_by_scikit_learn(features: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    """Choose the strength as evaluation.linear does, and fit, with scikit-learn's solver."""
    folds, best = deal_folds(labels), (np.inf, 1.0)
    models = [LogisticRegression(**SOLVER, warm_start=True) for _ in range(FOLDS)]
    for strength in STRENGTHS:
        loss = 0.0
        for fold, model in enumerate(models):
            kept = folds != fold
            model.set_params(C=strength).fit(features[kept], labels[kept])
            loss += log_loss(labels[~kept], model.predict_proba(features[~kept]), labels=model.classes_)
        if loss >= best[0]:
            break
        best = loss, strength
    return LogisticRegression(**SOLVER, C=best[1]).fit(features, labels)


def nearer(features: np.ndarray, labels: np.ndarray) -> list[Row]:
    """Return a row that claims that this project's fit has no larger objective, at the same strength."""
    ours = logistic_classifier().fit(features, labels)
    theirs = LogisticRegression(**SOLVER, C=ours.C).fit(features, labels)
    values = []
    for model in (theirs, ours):
        loss = log_loss(labels, model.predict_proba(features), labels=model.classes_)
        values.append(loss + (model.coef_**2).sum() / (2 * ours.C * len(labels)))
    what = "logistic regression: objective less that of scikit-learn"
    return [at_most(what, f"{values[1] - values[0]:.1e}", values[1] - values[0], 1e-3, "")]


def without_value(way: Callable[[], object]) -> None:
    """Call a function and ignore its value, so that it counts as one unit of work."""
    way()
