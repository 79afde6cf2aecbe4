"""Figures of which tiles are near: distances of pairs, and the nearest neighbours of some tiles."""

import warnings

import numpy as np
import pytest
from figures_for_tests import LEGENDS, drawn, texts

from dataProcessors.legends.legend import Legend
from reporting import figures
from reporting.figures.distances import pair_distances
from reporting.figures.style import CONTRAST_COLOUR


def test_distances_are_those_of_pairs_of_one_label_and_of_different_labels():
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(12, 3)), np.array([0, 0, 1, 1, 2, 2, 2, 0, 1, 2, 0, 1])
    alike, unlike = pair_distances(embeddings, labels)
    slow = {True: [], False: []}
    for i in range(12):
        for j in range(i + 1, 12):
            slow[bool(labels[i] == labels[j])].append(((embeddings[i] - embeddings[j]) ** 2).sum())
    assert np.allclose(np.sort(alike), np.sort(slow[True]))
    assert np.allclose(np.sort(unlike), np.sort(slow[False]))
    figure = figures.distances(embeddings, np.where(labels == 2, -1, labels), "title")
    told = " ".join(texts(figure))
    assert "same label (12 pairs" in told  # of 4 and 4 labelled tiles
    assert "different labels (16 pairs" in told
    drawn(figure)


@pytest.mark.parametrize("labels", [[], [1], [-1], [1, -1], [0, 0, 0], [0, 1]])
def test_distances_of_few_tiles(labels):
    figure = figures.distances(np.ones((len(labels), 4)), np.array(labels, int), "title")
    told = " ".join(texts(figure))
    assert ("no pair of" in told) == (sum(label >= 0 for label in labels) < 2)
    assert ("labelled tiles" in told) == any(label >= 0 for label in labels)
    drawn(figure)


def test_distances_of_tiles_without_labels_are_those_of_all_pairs():
    figure = figures.distances(np.random.default_rng(0).normal(size=(12, 3)), np.full(12, -1), "title")
    told = " ".join(texts(figure))
    assert "all pairs (66 pairs" in told
    assert "label" not in told
    drawn(figure)


def test_queries_are_labelled_and_of_as_many_labels_as_there_are():
    labels = np.array([0] * 50 + [1] * 3 + [2] + [-1] * 20)
    shown = figures.choose_queries(labels, seed=1)
    assert len(set(shown.tolist())) == 8
    assert set(labels[shown]) == {0, 1, 2}
    assert np.bincount(labels[shown]).tolist() == [4, 3, 1]
    assert np.array_equal(shown, figures.choose_queries(labels, seed=1))
    assert sorted(figures.choose_queries(np.full(5, -1), seed=0)) == [0, 1, 2, 3, 4], "nothing is labelled"
    assert len(figures.choose_queries(np.empty(0, int), seed=0)) == 0


def test_neighbours_without_classes_name_none():
    tiles = np.zeros((6, 8, 8, 3), np.uint8)
    nothing = Legend("none", (), ())
    figure = figures.neighbours(np.eye(6), np.full(6, -1), tiles, np.array([0, 4]), nothing, "title")
    told = texts(figure)
    assert "nearest other tiles, from near to far" in told
    assert not [text for text in told if "label" in text or "class" in text]
    drawn(figure)


def test_neighbours_shows_the_nearest_of_each_query_in_its_place():
    embeddings = np.array([0.0, 1.0, 3.0, 10.0, 10.5, 12.0])[:, None]
    labels = np.array([0, 0, 1, 2, 2, -1])
    rgb = (np.arange(6, dtype=np.uint8) * 40)[:, None, None, None] + np.zeros((1, 16, 16, 3), np.uint8)
    figure = figures.neighbours(embeddings, labels, rgb, np.array([0, 4]), LEGENDS["osm"], "title")
    mosaic = np.asarray(figure.axes[0].images[0].get_array())
    middle = lambda row, column: mosaic[row * 126 + 38, column * 84 + 38 + (24 if column else 0), 0] / 40  # noqa: E731
    assert [middle(0, column) for column in range(6)] == [0, 1, 2, 3, 4, 5]
    assert [middle(1, column) for column in range(6)] == [4, 3, 5, 2, 1, 0]
    orange = [text.get_text() for text in figure.axes[0].texts if text.get_color() == CONTRAST_COLOUR]
    assert len(orange) == 4 + 4  # of the first row all but tile 1, of the second all but tile 3
    assert "no label" in orange
    drawn(figure)


def test_neighbours_of_too_few_tiles_says_so():
    nothing = np.zeros((1, 8, 8, 3), np.uint8)
    figure = figures.neighbours(np.ones((1, 2)), np.array([0]), nothing, np.array([0]), LEGENDS["osm"], "title")
    assert "too few tiles were scored" in texts(figure)


def test_two_tiles_make_a_figure_that_is_as_wide_as_its_title():
    tiles = np.zeros((2, 8, 8, 3), np.uint8)
    title = "Tiles with the nearest embeddings, step 1,000 (SYNTHETIC map)"
    figure = figures.neighbours(np.eye(2), np.array([0, 1]), tiles, np.array([0]), LEGENDS["osm"], title)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
