"""All scores of one feature set: simple models, retrieval and silhouettes, over several draws of tiles."""

import math

import joblib
import numpy as np
from sklearn.metrics import confusion_matrix

from config import USED_DIMENSIONS
from evaluation.neighbours import check_embeddings
from evaluation.predictions import Models, Tiles, predict
from evaluation.proportions import labelled, normalised, reaches
from evaluation.scores import Evaluation, Score, Settings
from evaluation.spectrum import used_dimensions
from evaluation.tasks import MULTI_CLASS, SINGLE_CLASS, Task

Draw = tuple[np.ndarray, np.ndarray]  # indices of the tiles to fit on (f,) and of the tiles to score (s,)


def draws(fit_size: int, score_size: int, fit_nb: int, score_nb: int, count: int, seed: int) -> list[Draw]:
    """Return `count` draws of fit_nb tiles from a fit pool and score_nb tiles from a score pool, without replacement.

    If a pool is smaller, all its tiles are drawn. Equal seeds give equal draws; draw i does not depend on `count`.
    """
    generators = [np.random.default_rng([seed, i]) for i in range(count)]
    return [(rng.permutation(fit_size)[:fit_nb], rng.permutation(score_size)[:score_nb]) for rng in generators]


def evaluate(
    features: str,
    fit: np.ndarray,
    score: np.ndarray,
    fit_proportions: np.ndarray,
    score_proportions: np.ndarray,
    draws: list[Draw],
    settings: Settings,
) -> Evaluation:
    """Score one feature set on one or more draws. A score that a draw cannot define (e.g. one class only) is NaN there.

    Without classes, K = 0, nothing is scored.

    Args:
        features: name of the feature set
        fit: (F, D) features of the fit pool
        score: (S, D) features of the score pool
        fit_proportions: (F, K)
        score_proportions: (S, K)
        draws: indices into the two pools
        settings: models, threshold and threads
    Raises:
        ValueError: a feature is not finite
    """
    truths = np.asarray(fit_proportions), np.asarray(score_proportions)
    pools = Tiles(check_embeddings(fit), check_embeddings(score), *truths)
    drawn = [Tiles(*(table[indices] for table, indices in zip(pools, [*draw, *draw]))) for draw in draws]
    if not pools.truth.shape[1]:
        return unscored(features, drawn)
    mixed = [select(tiles, labelled(tiles.fit_truth), labelled(tiles.truth)) for tiles in drawn]
    crisp = [dominant(tiles, settings.threshold) for tiles in mixed]
    models = [
        make_models(SINGLE_CLASS, settings.single_class_models, settings),
        make_models(MULTI_CLASS, settings.multi_class_models, settings),
    ]
    predicted = predict(models, [list(tasks) for tasks in zip(crisp, mixed)], settings.jobs)
    classes, shares = ([by_task[task] for by_task in predicted] for task in range(len(models)))
    with joblib.parallel_config(backend="threading", n_jobs=settings.jobs):
        values = {
            **task_scores(features, SINGLE_CLASS, settings.single_class_models, crisp, classes),
            **task_scores(features, MULTI_CLASS, settings.multi_class_models, mixed, shares),
        }
    by_draw = {score.tag: of_score for score, of_score in values.items()}
    return Evaluation(
        features,
        list(values),
        confusion=confusion_matrices(settings.single_class_models, crisp, classes, pools.truth.shape[1]),
        predicted={model: normalised(predicted) for model, predicted in shares[0].items()},
        truth=mixed[0].truth,
        by_draw=by_draw | {USED_DIMENSIONS: [used_dimensions(tiles.score) for tiles in drawn]},
    )


def unscored(features: str, drawn: list[Tiles]) -> Evaluation:
    """Return what can be said of a feature set without labels: how many of its dimensions it uses in each draw."""
    values = [used_dimensions(tiles.score) for tiles in drawn]
    task, metric = USED_DIMENSIONS.split("/")
    score = Score(features, task, "-", metric, *mean_and_std(values))
    return Evaluation(features, [score], {}, {}, drawn[0].truth, by_draw={score.tag: values})


def make_models(task: Task, names: tuple[str, ...], settings: Settings) -> Models:
    """Return the models of a task by name."""
    return {name: task.models[name](settings.seed, settings.jobs) for name in names}


def select(tiles: Tiles, fit: np.ndarray, score: np.ndarray) -> Tiles:
    """Return the tiles selected by two masks, (f,) and (s,) bool."""
    masks = fit, score, fit, score
    return Tiles(*(table if mask.all() else table[mask] for table, mask in zip(tiles, masks)))


def dominant(tiles: Tiles, threshold: float) -> Tiles:
    """Return the tiles whose dominant class covers at least the threshold, with labels instead of proportions."""
    crisp = select(tiles, *(reaches(truth, threshold) for truth in (tiles.fit_truth, tiles.truth)))
    return crisp._replace(fit_truth=crisp.fit_truth.argmax(axis=1), truth=crisp.truth.argmax(axis=1))


def task_scores(
    features: str, task: Task, models: tuple[str, ...], drawn: list[Tiles], predicted: list[dict[str, np.ndarray]]
) -> dict[Score, list[float]]:
    """Return every metric of a task, of each model and of the features -> its value in each draw.

    Draws of a single class are left out: there nothing can be wrong, so a perfect score means nothing. A model may
    still be wrong where only the tiles that it was fitted on have another class.
    """
    scores = {}
    predictable = [
        bool(by_model) and several_classes(tiles.fit_truth, tiles.truth) for tiles, by_model in zip(drawn, predicted)
    ]
    for model in models:
        for metric, function in task.model_metrics.items():
            values = [
                function(tiles.truth, by_model[model]) if defined else math.nan
                for tiles, by_model, defined in zip(drawn, predicted, predictable)
            ]
            scores[Score(features, task.name, model, metric, *mean_and_std(values))] = values
    comparable = [several_classes(tiles.truth) for tiles in drawn]
    for metric, function in task.feature_metrics.items():
        values = [
            function(tiles.score, tiles.truth) if defined else math.nan for tiles, defined in zip(drawn, comparable)
        ]
        scores[Score(features, task.name, "-", metric, *mean_and_std(values))] = values
    return scores


def several_classes(*truths: np.ndarray) -> bool:
    """Return whether tables of labels (n,) or of proportions (n, K) hold more than one class together."""
    found = [np.flatnonzero(truth.any(axis=0)) if truth.ndim == 2 else np.unique(truth) for truth in truths]
    return len(np.unique(np.concatenate(found))) > 1


def mean_and_std(values: list[float]) -> tuple[float, float]:
    """Return mean and standard deviation of the finite values; NaN, without a warning, if there is none."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return (float(finite.mean()), float(finite.std())) if len(finite) else (float("nan"), float("nan"))


def confusion_matrices(
    models: tuple[str, ...], drawn: list[Tiles], predicted: list[dict[str, np.ndarray]], classes: int
) -> dict[str, np.ndarray]:
    """Return classifier -> confusion matrix (K, K) int64, rows are the truth, summed over the draws."""
    tables = {model: np.zeros((classes, classes), np.int64) for model in models}
    known = np.arange(classes + 1)  # one class more than K, because scikit-learn warns if there is only one
    for tiles, by_model in zip(drawn, predicted):
        for model, labels in by_model.items():
            tables[model] += confusion_matrix(tiles.truth, labels, labels=known)[:-1, :-1]
    return tables
