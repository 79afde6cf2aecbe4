"""All scores of one set of features: simple models, retrieval and silhouettes, over several draws of tiles."""

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import joblib
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score, silhouette_score

from config import LESS_IS_BETTER, RETRIEVAL_METRICS
from evaluation.chance import chance_graded_map_at_r, chance_map_at_r, chance_multilabel_map
from evaluation.models import CLASSIFIERS, REGRESSORS, fit_predict
from evaluation.neighbours import check_embeddings
from evaluation.proportions import labelled, normalised, sum_error
from evaluation.retrieval import graded_map_at_r, map_at_r, multilabel_map
from evaluation.segmentation import Segmentation
from evaluation.silhouette import gsil

Draw = tuple[np.ndarray, np.ndarray]  # indices of the tiles to fit on (f,) and of those to score (s,)


class Score(NamedTuple):
    """One figure: mean and (population) standard deviation over the draws where it has a value, NaN if none has.

    Of segmentation the figure of all cells together, and its standard deviation over bootstrap draws of the cells.
    """

    features: str  # "trained", "untrained" or "band_statistics"; of segmentation "coarsened_labels" too
    task: str  # "single_class", "multi_class" or "segmentation"
    model: str  # a name of CLASSIFIERS or REGRESSORS, "-" where there is none
    metric: str
    mean: float
    std: float

    @property
    def tag(self) -> str:
        """Its name among the scores of the same features: group/metric, or group/metric/model.

        The group is the task, or "retrieval" of either: what the nearest tiles of a tile say, without a model.
        """
        group = "retrieval" if self.metric in RETRIEVAL_METRICS else self.task
        return "/".join(part for part in (group, self.metric, self.model) if part != "-")


def objective(scores: Iterable[Score], tag: str) -> float:
    """The mean of the score of this name, turned so that more is better; -inf where it has none."""
    found = next((score for score in scores if score.tag == tag), None)
    if found is None or math.isnan(found.mean):
        return -math.inf
    return -found.mean if found.metric in LESS_IS_BETTER else found.mean


@dataclass(frozen=True)
class Settings:
    """What is scored, and with which models."""

    single_class_models: tuple[str, ...]  # names of CLASSIFIERS
    multi_class_models: tuple[str, ...]  # names of REGRESSORS
    threshold: float = 0.0  # single class: only tiles whose dominant class covers at least this share, 0 to 1
    jobs: int = 1  # threads of one model, or one metric
    seed: int = 0


@dataclass(frozen=True)
class Evaluation:
    """Everything that is known of one set of features."""

    features: str
    scores: list[Score]
    confusion: dict[str, np.ndarray]  # classifier -> (K, K) int64, rows are the truth, summed over the draws
    predicted: dict[str, np.ndarray]  # regressor -> (n, K) normalised, of the first draw; {} if nothing could be fitted
    truth: np.ndarray  # (n, K) proportions of the same tiles: the labelled ones that the first draw scores
    segmentation: dict[str, Segmentation] = field(default_factory=dict)  # classifier -> ...; {} where it is off


class Tiles(NamedTuple):
    """What one draw fits and scores: features (f, D) and (s, D); of both either proportions (., K) or labels (.,)."""

    fit: np.ndarray
    score: np.ndarray
    fit_truth: np.ndarray
    truth: np.ndarray


class Task(NamedTuple):
    """What can be asked of tiles: of a model's predictions, and of the features themselves."""

    name: str
    models: dict[str, Callable]  # name -> factory (seed, jobs)
    model_metrics: dict[str, Callable]  # name -> function (truth, predicted)
    feature_metrics: dict[str, Callable]  # name -> function (features, truth)


def silhouette(features: np.ndarray, labels: np.ndarray) -> float:
    """Silhouette (Rousseeuw 1987) of features (S, D) with labels (S,); NaN unless there are 2 to S - 1 labels."""
    possible = 2 <= len(np.unique(labels)) < len(labels)
    return float(silhouette_score(features, labels)) if possible else float("nan")


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean recall of the classes in truth. scikit-learn's own function warns where a model predicts any other class."""
    return recall_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0)


def computed_once(function: Callable[[np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    """Make a metric (features, truth) of a function of the truth alone, which is called once for every truth.

    All feature sets, in all epochs, are scored on the same draws.
    """
    known: dict[tuple, float] = {}

    def metric(features: np.ndarray, truth: np.ndarray) -> float:
        key = truth.shape, truth.dtype.str, hashlib.sha256(truth.tobytes()).digest()
        if key not in known:
            known[key] = function(truth)
        return known[key]

    return metric


SINGLE_CLASS = Task(
    "single_class",
    CLASSIFIERS,
    {
        "accuracy": accuracy_score,
        "balanced_accuracy": balanced_accuracy,
        "weighted_F1": lambda truth, predicted: f1_score(truth, predicted, average="weighted", zero_division=0),
    },
    {
        "MAP@R": map_at_r,
        "MAP@R_chance": computed_once(chance_map_at_r),
        "silhouette": silhouette,
    },
)

MULTI_CLASS = Task(
    "multi_class",
    REGRESSORS,
    {"sum_error": lambda truth, predicted: sum_error(predicted, truth)},
    {
        "MAP@1": lambda features, proportions: multilabel_map(features, proportions, 1),
        "MAP@5": lambda features, proportions: multilabel_map(features, proportions, 5),
        "MAP@10": lambda features, proportions: multilabel_map(features, proportions, 10),
        "MAP_chance": computed_once(chance_multilabel_map),
        "graded_MAP@R": graded_map_at_r,
        "graded_MAP@R_chance": computed_once(chance_graded_map_at_r),
        "gSil": gsil,
    },
)


def draws(fit_size: int, score_size: int, fit_nb: int, score_nb: int, count: int, seed: int) -> list[Draw]:
    """`count` draws of fit_nb tiles of a fit pool and score_nb of a score pool, each without replacement.

    Where a pool is smaller, all of it is drawn. Equal seeds give equal draws; draw i does not depend on `count`.
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
    """Score one set of features, whose name is `features`, on one or more draws.

    fit (F, D), score (S, D): the features of the two pools. fit_proportions (F, K), score_proportions (S, K). Raises
    ValueError if a feature is not finite. What a draw cannot tell (no labelled tile, one class) is NaN there.
    """
    truths = np.asarray(fit_proportions), np.asarray(score_proportions)
    pools = Tiles(check_embeddings(fit), check_embeddings(score), *truths)
    drawn = [Tiles(*(table[indices] for table, indices in zip(pools, [*draw, *draw]))) for draw in draws]
    mixed = [select(tiles, labelled(tiles.fit_truth), labelled(tiles.truth)) for tiles in drawn]
    crisp = [dominant(tiles, settings.threshold) for tiles in mixed]
    classes = [predict(SINGLE_CLASS, settings.single_class_models, tiles, settings) for tiles in crisp]
    shares = [predict(MULTI_CLASS, settings.multi_class_models, tiles, settings) for tiles in mixed]
    with joblib.parallel_config(backend="threading", n_jobs=settings.jobs):
        scores = [
            *task_scores(features, SINGLE_CLASS, settings.single_class_models, crisp, classes),
            *task_scores(features, MULTI_CLASS, settings.multi_class_models, mixed, shares),
        ]
    return Evaluation(
        features,
        scores,
        confusion=confusions(settings.single_class_models, crisp, classes, pools.truth.shape[1]),
        predicted={model: normalised(predicted) for model, predicted in shares[0].items()},
        truth=mixed[0].truth,
    )


def select(tiles: Tiles, fit: np.ndarray, score: np.ndarray) -> Tiles:
    """Keep the tiles of two masks, (f,) and (s,) bool."""
    return Tiles(tiles.fit[fit], tiles.score[score], tiles.fit_truth[fit], tiles.truth[score])


def dominant(tiles: Tiles, threshold: float) -> Tiles:
    """Keep the tiles whose dominant class covers at least the threshold, with labels in place of proportions."""
    # Shares are fractions of a pixel count, perhaps in float32, where nine tenths are less than 0.9.
    kept = select(tiles, *(truth.max(axis=1) >= threshold - 1e-6 for truth in (tiles.fit_truth, tiles.truth)))
    return kept._replace(fit_truth=kept.fit_truth.argmax(axis=1), truth=kept.truth.argmax(axis=1))


def predict(task: Task, models: tuple[str, ...], tiles: Tiles, settings: Settings) -> dict[str, np.ndarray]:
    """Model -> what it predicts of a draw's scored tiles, shaped as their truth; {} if none is to fit or score."""
    if not len(tiles.fit) or not len(tiles.score):
        return {}
    made = {name: task.models[name](settings.seed, settings.jobs) for name in models}
    return {
        name: fit_predict(model, tiles.fit, tiles.fit_truth, tiles.score).reshape(tiles.truth.shape)
        for name, model in made.items()
    }


def task_scores(
    features: str, task: Task, models: tuple[str, ...], drawn: list[Tiles], predicted: list[dict[str, np.ndarray]]
) -> list[Score]:
    """Every metric of a task: of each model, then of the features themselves. drawn, predicted: one entry per draw."""
    scores = []
    for model in models:
        for metric, function in task.model_metrics.items():
            values = [function(tiles.truth, made[model]) for tiles, made in zip(drawn, predicted) if made]
            scores.append(Score(features, task.name, model, metric, *mean_and_std(values)))
    for metric, function in task.feature_metrics.items():
        values = [function(tiles.score, tiles.truth) for tiles in drawn]
        scores.append(Score(features, task.name, "-", metric, *mean_and_std(values)))
    return scores


def mean_and_std(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation of those values that are finite; NaN, without a warning, if none is."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return (float(finite.mean()), float(finite.std())) if len(finite) else (float("nan"), float("nan"))


def confusions(
    models: tuple[str, ...], drawn: list[Tiles], predicted: list[dict[str, np.ndarray]], classes: int
) -> dict[str, np.ndarray]:
    """Classifier -> confusion matrix (K, K) int64, rows are the truth, summed over the draws."""
    tables = {model: np.zeros((classes, classes), np.int64) for model in models}
    for tiles, made in zip(drawn, predicted):
        for model, labels in made.items():
            tables[model] += confusion_matrix(tiles.truth, labels, labels=np.arange(classes))
    return tables
