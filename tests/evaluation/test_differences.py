"""Paired differences between feature sets, against a slow loop."""

from math import isfinite, isnan, nan, sqrt

import numpy as np
import pytest

from evaluation.differences import COMPARED_METRICS, is_compared, is_score, less_is_better, paired_difference

ERROR, ACCURACY = "multi_class/sum_error/knn", "single_class/accuracy/knn"


def standard_error(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)) / sqrt(len(values))


@pytest.mark.parametrize("spread_of_seeds", [0, 0.3])
def test_against_a_slow_loop(spread_of_seeds):
    rng = np.random.default_rng(0)
    tiles = rng.normal(0, 1, (3, 5))  # what both share: some draws are easier
    ours = tiles + rng.normal(0.1, 0.1, (3, 5)) + rng.normal(0, spread_of_seeds, (3, 1))
    ours[0, 1], tiles[2, :2] = nan, nan
    pairs = [
        [(a, b) for a, b in zip(*seed) if isfinite(a) and isfinite(b)] for seed in zip(ours.tolist(), tiles.tolist())
    ]
    means = [sum(a - b for a, b in seed) / len(seed) for seed in pairs]
    errors = standard_error([a - b for seed in pairs for a, b in seed]), standard_error(means)
    found = paired_difference(ACCURACY, ours, tiles)
    assert (found.mean, found.error, found.pairs) == (pytest.approx(sum(means) / 3), pytest.approx(max(errors)), 12)
    assert found.error == pytest.approx(errors[1] if spread_of_seeds else max(errors))
    for side, mean in enumerate((found.ours, found.theirs)):
        assert mean == pytest.approx(sum(sum(pair[side] for pair in seed) / len(seed) for seed in pairs) / 3)
    assert found.mean == pytest.approx(found.ours - found.theirs)


def test_what_draws_share_cancels():
    draws = np.random.default_rng(1).normal(size=(1, 15))
    assert paired_difference(ACCURACY, draws + 0.01, draws).error < 1e-9


@pytest.mark.parametrize(("tag", "verdicts"), [(ACCURACY, ["better", "worse", ""]), (ERROR, ["worse", "better", ""])])
def test_a_verdict_needs_two_standard_errors_in_the_metrics_direction(tag, verdicts):
    noise = np.array([[-1.0, 1.0] * 4] * 2)  # its mean has a standard error of 0.26
    found = [paired_difference(tag, noise + shift, np.zeros((2, 8))).verdict for shift in (0.6, -0.6, 0.5)]
    assert found == verdicts


def test_the_error_of_one_seed_is_that_of_other_tiles_though_its_draws_share_theirs():
    """Of two equally good feature sets: what five draws of half a pool say, in many pools of tiles."""
    rng, trials, half = np.random.default_rng(2), 2000, 40
    found = []
    for _ in range(trials):
        gaps = rng.normal(size=2 * half)  # of each tile of the pool
        means = [[gaps[rng.permutation(2 * half)[:half]].mean() for _ in range(5)]]
        found.append(paired_difference(ACCURACY, means, np.zeros((1, 5))))
    told = np.mean([each.error**2 for each in found])
    assert told == pytest.approx(np.var([each.mean for each in found]), rel=0.1)
    called = np.mean([each.verdict != "" for each in found])
    assert 0.09 < called < 0.15, "12 of 100 by Student's t of five draws; with independent draws' error it were 46"


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_equal_features_are_neither_better_nor_worse(value):
    found = paired_difference(ERROR, np.full((3, 5), value), np.full((3, 5), value))
    assert found == (0, 0, 15, "", pytest.approx(value), pytest.approx(value))


def test_seeds_of_fewer_defined_draws_count_as_much_as_others():
    assert paired_difference(ACCURACY, [[1, nan, nan], [3, 3, 3]], [[0, 0, 0], [0, 0, 0]])[:3] == (2, 1, 4)


@pytest.mark.parametrize("values", [[], [[]], [[0.5]], [[nan]], [[nan], [0.5]]])
def test_fewer_than_two_pairs_give_no_verdict(values):
    found = paired_difference(ACCURACY, values, [[0.0] * len(seed) for seed in values])
    assert isnan(found.error) and found.verdict == ""
    assert found.pairs == sum(isfinite(value) for seed in values for value in seed)


@pytest.mark.parametrize(
    ("ours", "theirs", "problem"),
    [([[1, 2]], [[1]], "inhomogeneous"), ([[1, 2]], [[1, 2], [1, 2]], "longer"), ([[1]], [[1, 2]], "inhomogeneous")],
)
def test_draws_that_are_not_the_same_are_refused(ours, theirs, problem):
    with pytest.raises(ValueError, match=problem):
        paired_difference(ACCURACY, ours, theirs)


def test_metrics_of_tags():
    tags = [ACCURACY, ERROR, "retrieval/MAP@1", "retrieval/MAP@10", "retrieval/MAP@R", "retrieval/graded_MAP@R"]
    assert [tag.split("/")[1] for tag in tags] == list(COMPARED_METRICS) and all(map(is_compared, tags))
    assert all(map(is_score, tags)) and not is_score("embedding/used_dimensions")
    assert not any(map(is_compared, ["retrieval/MAP@5", "single_class/silhouette", "embedding/used_dimensions"]))
    assert [less_is_better(tag) for tag in tags] == [False, True, False, False, False, False]
