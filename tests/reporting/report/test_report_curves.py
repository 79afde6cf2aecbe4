"""The curves of a report: read from event files that may end anywhere, in bins, and drawn."""

import numpy as np
import pytest
from reported_runs_for_tests import make_run, undrawn, write_events
from reports_for_tests import checked

from reporting.figures.curves import BINS, bin_steps, score_curve, step_curves
from reporting.report import write_report
from reporting.tensorboard.logged_curves import MAX_EVENT_BYTES, read_curves


@undrawn
def test_event_file_may_end_anywhere(tmp_path):
    folder = make_run(tmp_path / "run")
    path = write_events(folder, {"loss": [3, 2, 1], "active_share": [1.0, 0.5, 0.25]}, big=bytes(MAX_EVENT_BYTES + 1))
    whole = path.read_bytes()
    found = set()
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        curves = read_curves(path.parent)
        assert set(curves) <= {"loss", "active_share"}
        found.add(sum(len(curve.steps) for curve in curves.values()))
    assert found == set(range(7))
    path.write_bytes(whole + b"\xff" * 500)
    assert read_curves(path.parent)["active_share"].values.tolist() == [1.0, 0.5, 0.25]
    for cut in (0, 5, len(whole) // 2):
        path.write_bytes(whole[:cut])
        checked(write_report(folder))


def test_steps_logged_twice_count_as_the_later_file_has_them(tmp_path):
    folder = make_run(tmp_path / "run")
    write_events(folder, {"loss": [5, 4, 3, 2]}, "1")
    write_events(folder, {"loss": [9, 8]}, "2")
    curve = read_curves(folder / "tensorboard" / "trained")["loss"]
    assert curve.steps.tolist() == [1, 2, 3, 4]
    assert curve.values.tolist() == [9, 8, 3, 2]


def test_binned_curve_keeps_mean_and_extent():
    steps, values = np.arange(1, 100_001), np.random.default_rng(0).normal(size=100_000)
    middle, mean, low, high = bin_steps(steps, values)
    assert len(middle) == BINS
    assert mean.mean() == pytest.approx(values.mean(), abs=1e-3)
    assert (low < mean).all()
    assert (mean < high).all()
    assert np.all(np.diff(middle) > 0)
    few = bin_steps(steps[:3], values[:3])
    assert all(np.array_equal(line, values[:3]) for line in few[1:])
    assert all(len(line) == 0 for line in bin_steps(steps[:0], values[:0]))


def test_curves_show_names_yardsticks_and_no_value_that_is_not_finite():
    values = np.array([0.5, np.nan, 0.75])
    (axes,) = score_curve("MAP@R", np.arange(3), values, values / 10, {"untrained": 0.4, "chance": float("nan")}).axes
    assert [line.get_label() for line in axes.lines] == ["trained", "untrained"]
    assert set(axes.lines[1].get_ydata()) == {0.4}
    (axes,) = step_curves("Distances", {"positive": (np.arange(3), values), "negative": (np.arange(3), values)}).axes
    assert axes.lines[0].get_ydata().tolist() == [0.5, 0.75]
    assert [text.get_text() for text in axes.get_legend().texts] == ["positive", "negative"]
    (axes,) = step_curves("Distances", {"positive": (np.arange(3), values)}).axes
    assert [text.get_text() for text in axes.get_legend().texts] == ["positive"], "which of the two it is"
    assert step_curves("Loss", {"loss": (np.arange(3), values)}).axes[0].get_legend() is None
