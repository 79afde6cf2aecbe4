"""Draws and the whole evaluation of one set of features."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from evaluation import chance_map_at_r, gsil, map_at_r, multilabel_map, scoring, sum_error, tasks
from evaluation.scores import Score, Settings
from evaluation.scoring import USED_DIMENSIONS, Tiles, confusion_matrices, draws, evaluate, mean_and_std
from evaluation.spectrum import used_dimensions
from evaluation.tasks import balanced_accuracy, silhouette

pytestmark = pytest.mark.filterwarnings("error")
FAST = Settings(single_class_models=("knn", "dt"), multi_class_models=("dt",))
SINGLE = ["MAP@R", "MAP@R_chance", "silhouette"]
MULTI = ["MAP@1", "MAP@5", "MAP@10", "MAP_chance", "graded_MAP@R", "graded_MAP@R_chance", "gSil"]


def pools(seed=0, fit_size=120, score_size=60, classes=4):
    """Fit and score pools whose features tell the dominant class, some tiles unlabelled."""
    rng = np.random.default_rng(seed)
    made = []
    for size in (fit_size, score_size):
        proportions = rng.dirichlet(np.full(classes, 0.3), size)
        proportions[rng.random(size) < 0.1] = 0
        made.append((proportions + rng.normal(0, 0.1, (size, classes)), proportions))
    (fit, fit_proportions), (score, score_proportions) = made
    return fit, score, fit_proportions, score_proportions


def by_name(evaluation):
    return {(score.task, score.model, score.metric): score for score in evaluation.scores}


def test_draws_are_seeded_and_without_replacement():
    made = draws(50, 20, 30, 5, 4, seed=1)
    assert [(len(fit), len(score)) for fit, score in made] == [(30, 5)] * 4
    for fit, score in made:
        assert len(np.unique(fit)) == 30
        assert len(np.unique(score)) == 5
        assert fit.max() < 50
        assert score.max() < 20
    assert len({tuple(fit) for fit, _ in made}) == 4
    for first, again in zip(made, draws(50, 20, 30, 5, 2, seed=1)):
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(made[0][0], draws(50, 20, 30, 5, 1, seed=2)[0][0])


def test_draws_take_all_of_a_small_pool():
    ((fit, score),) = draws(4, 0, 30, 5, 1, seed=0)
    assert sorted(fit) == [0, 1, 2, 3]
    assert len(score) == 0


def test_every_metric_is_reported_once():
    evaluation = evaluate("trained", *pools(), draws(120, 60, 100, 40, 2, 0), FAST)
    expected = [
        ("single_class", model, metric)
        for model in ("knn", "dt")
        for metric in ("accuracy", "balanced_accuracy", "weighted_F1")
    ]
    expected += [("single_class", "-", metric) for metric in SINGLE]
    expected += [("multi_class", "dt", "sum_error")] + [("multi_class", "-", metric) for metric in MULTI]
    assert [(score.task, score.model, score.metric) for score in evaluation.scores] == expected
    assert {score.features for score in evaluation.scores} == {"trained"} == {evaluation.features}
    assert all(np.isfinite([score.mean, score.std]).all() for score in evaluation.scores)


def test_scores_are_those_of_the_drawn_tiles():
    fit, score, fit_proportions, score_proportions = pools()
    made = draws(120, 60, 100, 40, 3, 0)
    settings = Settings(("knn",), ("dt",), threshold=0.6)
    evaluation = evaluate("trained", fit, score, fit_proportions, score_proportions, made, settings)
    figures = {"MAP@R": [], "MAP@R_chance": [], "silhouette": [], "MAP@5": [], "gSil": []}
    for _, scored in made:
        x, p = score[scored], score_proportions[scored]
        reached = p.max(axis=1) >= 0.6
        labels = p[reached].argmax(axis=1)
        figures["MAP@R"].append(map_at_r(x[reached], labels))
        figures["MAP@R_chance"].append(chance_map_at_r(labels))
        figures["silhouette"].append(silhouette(x[reached], labels))
        figures["MAP@5"].append(multilabel_map(x, p, 5))
        figures["gSil"].append(gsil(x, p))
    named = {metric: score for (_, _, metric), score in by_name(evaluation).items()}
    for metric, values in figures.items():
        assert named[metric].mean == pytest.approx(np.mean(values), abs=1e-12)
        assert named[metric].std == pytest.approx(np.std(values), abs=1e-12)
        assert evaluation.by_draw[named[metric].tag] == pytest.approx(values, abs=1e-12)
    table = evaluation.confusion["knn"]
    assert table.dtype == np.int64
    assert table.sum() == sum((score_proportions[scored].max(axis=1) >= 0.6).sum() for _, scored in made)
    truth = np.concatenate([p[p.max(axis=1) >= 0.6].argmax(axis=1) for p in (score_proportions[s] for _, s in made)])
    np.testing.assert_array_equal(table.sum(axis=1), np.bincount(truth, minlength=4))


def test_a_single_class_is_counted_without_a_warning():
    one = Tiles(np.zeros((3, 2)), np.zeros((2, 2)), np.zeros(3, int), np.zeros(2, int))
    assert confusion_matrices(("knn",), [one], [{"knn": np.zeros(2, int)}], 1)["knn"].tolist() == [[2]]


def test_accuracy_agrees_with_the_confusion_of_one_draw():
    evaluation = evaluate("trained", *pools(), draws(120, 60, 100, 60, 1, 0), FAST)
    scores = by_name(evaluation)
    for model, table in evaluation.confusion.items():
        held = table.sum(axis=1) > 0
        recall = table.diagonal()[held] / table.sum(axis=1)[held]
        assert scores["single_class", model, "accuracy"].mean == pytest.approx(table.trace() / table.sum())
        assert scores["single_class", model, "balanced_accuracy"].mean == pytest.approx(recall.mean())
        assert scores["single_class", model, "accuracy"].mean > 0.7


def test_predicted_proportions_are_of_the_first_draw():
    fit, score, fit_proportions, score_proportions = pools()
    made = draws(120, 60, 100, 40, 2, 0)
    evaluation = evaluate("trained", fit, score, fit_proportions, score_proportions, made, FAST)
    first = score_proportions[made[0][1]]
    np.testing.assert_array_equal(evaluation.truth, first[first.any(axis=1)])
    np.testing.assert_allclose(evaluation.predicted["dt"].sum(axis=1), 1)
    alone = evaluate("trained", fit, score, fit_proportions, score_proportions, made[:1], FAST)
    error = by_name(alone)["multi_class", "dt", "sum_error"]
    assert error.mean == pytest.approx(sum_error(evaluation.predicted["dt"], evaluation.truth))
    assert error.std == 0


def test_equal_seeds_give_equal_scores():
    settings = Settings(("rfc", "mlp"), ("rfc",), seed=4, jobs=2)
    made = draws(120, 60, 40, 20, 1, 0)
    first, again = (evaluate("trained", *pools(), made, settings) for _ in range(2))
    assert first.scores == again.scores
    for model, table in first.confusion.items():
        np.testing.assert_array_equal(table, again.confusion[model])


def test_the_threshold_counts_its_own_share_and_unlabelled_tiles_never():
    stored = np.array([[0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0, 0]], np.float32)
    proportions = stored.astype(np.float64)  # nine tenths are now less than 0.9
    features = np.arange(4.0)[:, None]
    made = [(np.arange(4), np.arange(4))]
    for threshold, counted in ((0.9, 2), (0.0, 3)):
        evaluation = evaluate(
            "trained", features, features, proportions, proportions, made, Settings(("dt",), (), threshold)
        )
        assert evaluation.confusion["dt"].sum() == counted
        assert evaluation.confusion["dt"].trace() == counted


def test_classes_in_score_that_are_not_in_fit():
    fit, score, fit_proportions, score_proportions = pools()
    fit_proportions[fit_proportions.argmax(axis=1) != 2] = 0
    settings = Settings(("knn", "svc", "rfc", "mlp", "dt"), ("knn", "svc", "rfc", "dt"))
    evaluation = evaluate(
        "trained", fit, score, fit_proportions, score_proportions, draws(120, 60, 90, 60, 1, 0), settings
    )
    for table in evaluation.confusion.values():
        assert table[:, [0, 1, 3]].sum() == 0
        assert table[:, 2].sum() == score_proportions.any(axis=1).sum()
    assert all(np.isfinite(score.mean) for score in evaluation.scores)


def test_classes_in_fit_that_are_not_in_score():
    fit, score, fit_proportions, score_proportions = pools()
    score_proportions[score_proportions.argmax(axis=1) != 2] = 0
    evaluation = evaluate(
        "trained", fit, score + 1e3, fit_proportions, score_proportions, draws(120, 60, 90, 60, 1, 0), FAST
    )
    scores = by_name(evaluation)
    assert scores["single_class", "knn", "balanced_accuracy"].mean == scores["single_class", "knn", "accuracy"].mean
    assert np.isnan(scores["single_class", "-", "silhouette"].mean)
    assert np.isfinite(scores["single_class", "knn", "accuracy"].mean), "the models may name another class"
    for metric in SINGLE:
        assert np.isnan(scores["single_class", "-", metric].mean), "of one class every neighbour is right"


@pytest.mark.parametrize("classes", [1, 3])
def test_a_single_class_has_no_scores(classes):
    fit, score, *truths = pools(classes=3)
    one = [(truth.sum(1, keepdims=True) > 0) * np.eye(3)[:1, :classes] for truth in truths]
    made = draws(120, 60, 90, 30, 2, 0)
    evaluation = evaluate("trained", fit, score, *one, made, FAST)
    assert len(evaluation.scores) == 6 + 1 + len(SINGLE) + len(MULTI)
    assert np.isnan([each.mean for each in evaluation.scores]).all()
    assert evaluation.confusion["knn"].sum() > 0 and len(evaluation.predicted["dt"]) > 0


@pytest.mark.parametrize("empty", ["fit", "score"])
def test_what_cannot_be_told_is_nan(empty):
    fit, score, fit_proportions, score_proportions = pools()
    (fit_proportions if empty == "fit" else score_proportions)[:] = 0
    evaluation = evaluate("trained", fit, score, fit_proportions, score_proportions, draws(120, 60, 90, 30, 2, 0), FAST)
    for score in evaluation.scores:
        told = empty == "fit" and score.model == "-"
        assert np.isfinite(score.mean) == np.isfinite(score.std) == told
    assert evaluation.predicted == {}
    assert (len(evaluation.truth) > 0) == (empty == "fit")
    assert all(table.sum() == 0 for table in evaluation.confusion.values())


def test_without_classes_nothing_is_scored_and_dimensions_are_counted():
    score = np.random.default_rng(0).normal(size=(60, 5))
    drawn = [(np.empty(0, int), np.arange(30)), (np.empty(0, int), np.arange(30, 60))]
    evaluation = evaluate("trained", score[:0], score, np.empty((0, 0)), np.empty((60, 0)), drawn, FAST)
    values = [used_dimensions(score[:30]), used_dimensions(score[30:])]
    assert evaluation.scores == [Score("trained", "embedding", "-", "used_dimensions", np.mean(values), np.std(values))]
    assert evaluation.by_draw == {USED_DIMENSIONS: values}
    assert (evaluation.confusion, evaluation.predicted, evaluation.segmentation) == ({}, {}, {})


def test_a_draw_that_tells_nothing_leaves_the_mean():
    fit, score, fit_proportions, score_proportions = pools()
    made = draws(120, 60, 90, 30, 2, 0)
    score_proportions[made[1][1]] = 0
    kept = evaluate("trained", fit, score, fit_proportions, score_proportions, made[:1], FAST)
    both = evaluate("trained", fit, score, fit_proportions, score_proportions, made, FAST)
    assert both.scores == kept.scores
    for score in both.scores:
        first, second = both.by_draw[score.tag]
        assert first == score.mean
        assert np.isnan(second), "its place is kept, so that feature sets can be compared draw by draw"
    assert all(np.isfinite(score.mean) for score in both.scores)


def test_no_features_metric_is_computed_once_per_model(monkeypatch):
    calls = []
    counted = {
        metric: lambda features, truth, metric=metric: calls.append(metric) or 0.5
        for metric in scoring.MULTI_CLASS.feature_metrics
    }
    monkeypatch.setattr(scoring, "MULTI_CLASS", scoring.MULTI_CLASS._replace(feature_metrics=counted))
    evaluate("trained", *pools(), draws(120, 60, 30, 20, 2, 0), Settings((), ("knn", "dt")))
    assert sorted(calls) == sorted(MULTI * 2)


def test_features_that_are_not_finite_are_refused():
    fit, score, *proportions = pools()
    score[3, 0] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        evaluate("trained", fit, score, *proportions, draws(120, 60, 30, 20, 1, 0), FAST)


def test_balanced_accuracy_equals_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 5, (2, 200))
    assert balanced_accuracy(truth, predicted) == pytest.approx(balanced_accuracy_score(truth, predicted))


def test_silhouette_needs_two_labels_and_a_pair():
    features = np.arange(4.0)[:, None]
    assert silhouette(features, np.array([0, 0, 1, 1])) > 0
    assert np.isnan(silhouette(features, np.zeros(4, int)))
    assert np.isnan(silhouette(features, np.arange(4)))
    assert np.isnan(silhouette(features[:0], np.arange(0)))


def test_spread_of_what_is_finite():
    assert mean_and_std([1.0, np.nan, 3.0]) == (2.0, 1.0)
    assert np.isnan(mean_and_std([np.nan])).all()
    assert np.isnan(mean_and_std([])).all()


def test_what_depends_on_the_truth_alone_is_computed_once():
    calls = []
    metric = tasks.cached_metric(lambda truth: calls.append(1) or float(truth.sum()))
    truth = np.eye(3)
    assert [metric(features, truth) for features in (np.zeros((3, 2)), np.ones((3, 2)))] == [3.0, 3.0]
    assert metric(np.zeros((3, 2)), truth.copy()) == 3.0 and len(calls) == 1
    assert metric(np.zeros((3, 2)), 2 * truth) == 6.0 and len(calls) == 2
