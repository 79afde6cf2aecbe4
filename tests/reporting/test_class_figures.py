"""Figures of classes: confusion matrices, proportions, and the names that classes have there."""

import numpy as np
import pytest
from figures_for_tests import LEGENDS, drawn, texts

from dataProcessors.legends.legend import Legend
from reporting import figures
from reporting.figures.style import class_names


@pytest.mark.parametrize("name", ["one", "osm", "clc"])
def test_confusion_matrix_of_all_classes_in_rows_that_sum_to_one(name):
    legend = LEGENDS[name]
    counts = np.random.default_rng(0).integers(1, 50, (len(legend), len(legend)))
    figure = figures.confusion_matrix(counts, legend, "title")
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert np.allclose(shown, counts / counts.sum(1, keepdims=True))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == class_names(legend, 30)[: len(legend)]
    drawn(figure)


def test_confusion_matrix_leaves_out_classes_that_do_not_occur():
    legend = LEGENDS["osm"]
    counts = np.zeros((13, 13), np.int64)
    counts[2, 2], counts[2, 9], counts[7, 2] = 3, 1, 5  # class 9 is predicted, but never true
    figure = figures.confusion_matrix(counts, legend, "title")
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert np.array_equal(shown, [[0.75, 0, 0.25], [1, 0, 0], [0, 0, 0]])
    written = texts(figure)
    assert "0.75" in written
    assert "0.00" not in written
    assert "water" not in written
    assert "forest" in written
    drawn(figure)


def test_confusion_matrix_of_no_tile_says_so():
    assert "no tile was scored" in texts(figures.confusion_matrix(np.zeros((13, 13), int), LEGENDS["osm"], "title"))


def test_names_are_at_most_two_lines_and_differ():
    for legend in LEGENDS.values():
        names = class_names(legend, 30)
        assert len(set(names)) == len(legend) + 1
        assert all(len(line) <= 30 for name in names for line in name.split("\n"))
        assert all(name.count("\n") <= 1 for name in names)


def test_a_dollar_sign_in_a_name_is_no_formula():
    legend = Legend("money", ("$\\foo$", "plain"), ((1, 2, 3), (200, 100, 0)))
    figure = figures.confusion_matrix(np.array([[3, 1], [0, 2]]), legend, "title")
    drawn(figure)
    assert r"\$\foo\$" in " ".join(texts(figure))
    drawn(figures.proportions(np.full((3, 2), 0.5), np.full((3, 2), 0.5), legend, "title"))


def test_proportions_show_the_most_frequent_classes():
    legend = LEGENDS["clc"]
    truth = np.zeros((30, 44))
    truth[:, :20] = np.random.default_rng(0).dirichlet(np.arange(20, 0, -1), 30)
    figure = figures.proportions(np.roll(truth, 1, axis=0), truth, legend, "title")
    frequent = np.argsort(-truth.sum(0))[:16]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [class_names(legend, 26)[c] for c in frequent]
    points = figure.axes[0].collections[0].get_offsets()
    assert np.allclose(points, np.stack([truth[:, frequent[0]], np.roll(truth[:, frequent[0]], 1)], 1))
    drawn(figure)


@pytest.mark.parametrize("tiles", [0, 1, 3])
def test_proportions_of_one_class_and_few_tiles(tiles):
    figure = figures.proportions(np.full((tiles, 1), 0.9), np.ones((tiles, 1)), LEGENDS["one"], "title")
    assert len(figure.axes) == (1 if tiles else 0)
    drawn(figure)
