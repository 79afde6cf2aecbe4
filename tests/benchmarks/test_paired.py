"""Comparisons of feature sets with yardsticks, and their tables."""

from math import isnan

import numpy as np
import pytest

from benchmarks.paired import against_the_best, comparisons, figures, means_table, targets_table
from reporting.tables import markdown_table

ERROR, ACCURACY = "multi_class/sum_error/knn", "single_class/accuracy/knn"


def scores_of(**values: float) -> dict[str, np.ndarray]:
    """Two seeds of two draws: metric -> value."""
    tags = {"accuracy": ACCURACY, "error": ERROR, "map5": "retrieval/MAP@5"}
    return {tags[name]: np.full((2, 2), value) for name, value in values.items()}


def test_the_best_yardstick_is_that_of_each_figure():
    yardsticks = {"a": scores_of(accuracy=0.5, error=0.5), "b": scores_of(accuracy=0.7, error=0.9, map5=1)}
    found = against_the_best(comparisons({"trained": scores_of(accuracy=0.6, error=0.4, map5=1)}, yardsticks))
    assert {each.tag: (each.other, each.found.verdict) for each in found} == {
        ACCURACY: ("b", "worse"), ERROR: ("a", "better"),
    }  # fmt: skip
    assert [each.ratio for each in found if each.tag == ERROR] == [pytest.approx(0.8)]
    assert all(isnan(each.ratio) for each in found if each.tag == ACCURACY)


def test_a_yardstick_without_any_value_is_not_the_best():
    yardsticks = {"none": scores_of(accuracy=np.nan), "a": scores_of(accuracy=0.5)}
    (found,) = against_the_best(comparisons({"trained": scores_of(accuracy=0.6)}, yardsticks))
    assert found.other == "a"


def test_figures_are_those_of_every_model_and_no_other_metric():
    tags = ["retrieval/MAP@5", "retrieval/MAP@R", "retrieval/MAP@1", ERROR, ACCURACY, "single_class/accuracy/rfc"]
    assert figures(dict.fromkeys(tags)) == [ACCURACY, "single_class/accuracy/rfc", ERROR, *tags[2:0:-1]]


def test_tables_show_the_best_and_the_verdict():
    trained, yardstick = {ERROR: np.array([[0.4, 0.42]])}, {ERROR: np.array([[0.5, 0.52]])}
    means = markdown_table(means_table("means", {"trained": trained, "bands": yardstick}))
    assert means.splitlines()[2:] == [
        "| features | sum_error knn (less is better) |", "| --- | ---: |", "| trained | **0.410** |",
        "| bands | 0.510 |",
    ]  # fmt: skip
    row = markdown_table(targets_table("targets", comparisons({"trained": trained}, {"bands": yardstick})))
    assert row.splitlines()[-1] == (
        "| trained | sum_error knn (less is better) | 0.410 | bands | 0.510 | -0.100 ±0.000 | better | 0.80 |"
    )
