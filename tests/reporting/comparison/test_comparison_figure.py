"""The figure of a comparison: a panel for each score, a row for each run."""

import pytest
from comparisons_for_tests import compared, run_folder
from matplotlib.container import ErrorbarContainer
from PIL import Image
from scores_for_tests import HEADER

from reporting.comparison.figure import comparison_figure
from reporting.comparison.rows import score_tags, table_rows
from reporting.comparison.runs import read_runs
from reporting.figures.style import MAIN_COLOUR


def points(axes) -> dict[float, list]:
    """Row -> (x, half length of the bar, colour of the face) of each point."""
    found: dict[float, list] = {}
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        marker, _, (bar,) = container
        (x,), (y,) = marker.get_data()
        (left, _), (right, _) = bar.get_segments()[0]
        found.setdefault(y, []).append((x, pytest.approx((right - left) / 2), marker.get_markerfacecolor()))
    return found


def test_figure_has_a_panel_for_each_score_and_a_row_for_each_run(folder):
    run_folder("first", [0.3, 0.6])
    run_folder("second", [0.7], model="rfc")
    runs = read_runs([])
    figure = comparison_figure(table_rows(runs), score_tags(runs))
    figure.draw_without_rendering()
    panels = {(axes.get_title(loc="left"), axes.texts[0].get_text()): axes for axes in figure.axes}
    assert list(panels) == [
        ("accuracy", "single class, knn"),
        ("accuracy", "single class, rfc"),
        ("MAP@R", "retrieval"),
        ("sum_error", "multi class, knn, less is better"),
        ("sum_error", "multi class, rfc, less is better"),
    ]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["first", "second", "untrained", "band statistics"]
    knn = points(panels["accuracy", "single class, knn"])
    assert knn == {0: [(0.6, 0.01, MAIN_COLOUR)], 2: [(0.5, 0.01, "white")], 3: [(0.4, 0.01, "white")]}
    retrieval = points(panels["MAP@R", "retrieval"])
    assert {row: values[0][0] for row, values in retrieval.items()} == {0: 0.3, 1: 0.35, 2: 0.25, 3: 0.2}
    assert retrieval[0][0][2] == MAIN_COLOUR != retrieval[1][0][2], "the best stands out"


@pytest.mark.parametrize("count", [1, 40])
def test_figure_of_one_run_and_of_forty(folder, count):
    names = [f"magnet-resnext50-learning-rate-{number / 100:.2f}-of-the-unsupervised-ones" for number in range(count)]
    for number, name in enumerate(names):
        run_folder(name, [0.6], untrained=number / 100, seed=number)
    compared()
    with Image.open("results/comparison.png") as image:
        assert max(image.size) < 4000
    runs = read_runs([])
    lines = table_rows(runs)
    assert len(lines) == count + 3
    assert sum(map(len, points(comparison_figure(lines, score_tags(runs)).axes[0]).values())) == 3 * count


def test_figure_without_any_value(folder):
    path = run_folder("none", [])
    (path / "metrics.csv").write_text(HEADER + "0,trained,single_class,-,silhouette,nan,nan\n")
    assert compared(path)[0]["single_class/silhouette mean"] == ""
