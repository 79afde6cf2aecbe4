"""Paired differences between feature sets, and their tables."""

from math import isnan, sqrt

import numpy as np
import pytest

from benchmarks.paired import against_the_best, compare, comparisons, figures, means_table, targets_table

ERROR, ACCURACY = "multi_class/sum_error/knn", "single_class/accuracy/knn"


def test_a_difference_is_that_of_pairs():
    rng = np.random.default_rng(0)
    values, other = rng.normal(1, 1, 15), rng.normal(0, 1, 15)
    each = compare("trained", "yardstick", ACCURACY, values, other)
    pairs = [a - b for a, b in zip(values, other)]
    mean = sum(pairs) / 15
    assert each.difference == pytest.approx(mean)
    assert each.standard_error == pytest.approx(sqrt(sum((pair - mean) ** 2 for pair in pairs) / 14) / sqrt(15))
    assert (each.mean, each.other_mean) == pytest.approx((values.mean(), other.mean()))


def test_what_draws_share_cancels():
    draws = np.random.default_rng(1).normal(size=15)
    assert compare("trained", "yardstick", ACCURACY, draws + 0.01, draws).standard_error < 1e-9


@pytest.mark.parametrize(("tag", "verdicts"), [(ACCURACY, ["better", "worse", ""]), (ERROR, ["worse", "better", ""])])
def test_a_verdict_needs_two_standard_errors_in_the_metrics_direction(tag, verdicts):
    noise = np.array([-1.0, 1.0] * 8)  # its mean has a standard error of 0.26
    found = [compare("trained", "yardstick", tag, noise + shift, np.zeros(16)).verdict for shift in (0.6, -0.6, 0.5)]
    assert found == verdicts


def test_equal_features_are_neither_better_nor_worse():
    each = compare("trained", "yardstick", ERROR, np.ones(15), np.ones(15))
    assert (each.difference, each.standard_error, each.verdict, each.ratio) == (0, 0, "", 1)


def test_draws_that_one_cannot_define_are_left_out():
    each = compare("trained", "yardstick", ACCURACY, np.array([1, np.nan, 3, 5]), np.array([0, 0, np.nan, 2]))
    assert (each.draws, each.mean, each.other_mean, each.difference) == (2, 3, 1, 2)


@pytest.mark.parametrize("values", [[], [0.5], [np.nan]])
def test_fewer_than_two_draws_give_no_verdict(values):
    each = compare("trained", "yardstick", ACCURACY, np.array(values), np.zeros(len(values)))
    assert isnan(each.standard_error)
    assert each.verdict == ""


def test_the_best_yardstick_is_that_of_each_figure():
    scores = {"a": {ACCURACY: [0.5], ERROR: [0.5]}, "b": {ACCURACY: [0.7], ERROR: [0.9], "retrieval/MAP@5": [1.0]}}
    yardsticks = {name: {tag: np.array(values) for tag, values in tags.items()} for name, tags in scores.items()}
    found = against_the_best(comparisons({"trained": yardsticks["a"]}, yardsticks))
    assert {each.tag: each.other for each in found} == {ACCURACY: "b", ERROR: "a"}


def test_figures_are_those_of_every_model_and_no_other_metric():
    tags = ["retrieval/MAP@5", "retrieval/MAP@R", "retrieval/MAP@1", ERROR, ACCURACY, "single_class/accuracy/rfc"]
    assert figures(dict.fromkeys(tags)) == [ACCURACY, "single_class/accuracy/rfc", ERROR, *tags[2:0:-1]]


def test_tables_show_the_best_and_the_verdict():
    trained, yardstick = {ERROR: np.array([0.4, 0.42])}, {ERROR: np.array([0.5, 0.52])}
    assert means_table({"trained": trained, "bands": yardstick}).splitlines() == [
        "| | sum_error, knn |", "| --- | --- |", "| trained | **0.410** |", "| bands | 0.510 |",
    ]  # fmt: skip
    row = targets_table(comparisons({"trained": trained}, {"bands": yardstick})).splitlines()[-1]
    assert row == "| trained | sum_error, knn | 0.410 | bands | 0.510 | -0.100 ±0.000 | better | 0.80 |"
