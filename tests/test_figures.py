"""Figures: what they show, and that poor input does not break them."""

import numpy as np
import pytest

from dataProcessors.labels import Legend, builtin_legends
from reporting import figures
from reporting.figures import Overview
from reporting.figures.embedding import layout
from reporting.figures.strip import GAP
from reporting.figures.style import class_names, image_of, save

LEGENDS = builtin_legends() | {"one": Legend("one", ("all of it",), ((10, 200, 30),))}


def texts(figure):
    """All that is written on a figure and can be seen."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def drawn(figure):
    image = image_of(figure)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert image.std() > 0
    return image


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


def test_umap_keeps_groups_apart_and_repeats_itself():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20)
    embeddings = (labels[:, None] * 10 + rng.normal(size=(40, 8))).astype(np.float32)
    embeddings[1] = embeddings[0]
    places = layout(embeddings, seed=3)
    assert places.shape == (40, 2)
    assert np.array_equal(places, layout(embeddings, seed=3))
    assert np.array_equal(places[0], places[1])  # equal rows lie at one place
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.diag(np.full(40, np.inf))
    assert (labels[distances.argmin(1)] == labels).all()
    few = layout(embeddings[15:25], seed=3)  # fewer than UMAP's 15 neighbours
    assert few.shape == (10, 2)
    assert np.isfinite(few).all()


@pytest.mark.parametrize("tiles", [1, 3, 50])
def test_umap_figure_of_few_or_equal_embeddings(tiles):
    figure = figures.umap(np.ones((tiles, 8)), np.full(tiles, -1), LEGENDS["osm"], seed=0)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"no label ({tiles})"]
    drawn(figure)


def test_umap_figure_names_the_classes_that_occur_and_uses_their_colours():
    labels = np.array([10, 2, 2])
    figure = figures.umap(np.eye(3), labels, LEGENDS["osm"], seed=0)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["forest (2)", "water (1)"]
    colours = figure.axes[0].collections[0].get_facecolors()[:, :3] * 255
    assert np.allclose(colours, np.array(LEGENDS["osm"].colors)[labels])


def sampling(roles, reserved=((200, 300),), step=10.0, size=20):
    overview = Overview(np.full((60, 80, 3), 200, np.uint8), step, (100, 200))
    return figures.sampling_map(overview, size, roles, np.array(reserved).reshape(-1, 2), "title")


def test_sampling_map_draws_tiles_where_they_were_taken():
    axes = sampling({"anchor": np.array([[150, 260], [400, 500]]), "positive": np.array([[170, 280]])}).axes[0]
    assert axes.images[0].get_extent() == [100, 900, 800, 200]  # left, right, bottom, top: rows grow downwards
    reserved, anchor, positive = axes.collections
    corners = [tuple(path.vertices[:4].flatten()) for path in anchor.get_paths()]
    assert corners == [(150, 260, 170, 260, 170, 280, 150, 280), (400, 500, 420, 500, 420, 520, 400, 520)]
    assert np.ptp(reserved.get_paths()[0].vertices, axis=0).tolist() == [40, 40]  # 2 x 2 tiles
    assert not np.array_equal(anchor.get_edgecolor(), positive.get_edgecolor())


def test_sampling_map_draws_points_where_squares_would_be_too_many_or_too_small():
    many = np.random.default_rng(0).integers(200, 700, (6000, 2))
    axes = sampling({"anchor": many}).axes[0]
    assert np.array_equal(np.stack(axes.lines[0].get_data(), 1), many + 10)  # the tiles' centres
    assert len(axes.collections) == 1  # the reserved cells
    assert len(sampling({"anchor": many[:5]}, step=1000.0).axes[0].lines) == 1


def test_sampling_map_without_tiles_and_with_many_roles():
    drawn(sampling({}, reserved=()))
    figure = sampling({f"cluster {i}": np.array([[150 + 40 * i, 260]]) for i in range(12)} | {"none": np.empty((0, 2))})
    assert len(figure.axes[0].collections) == 14
    assert "cluster 11 (1)" in texts(figure)
    assert "none (0)" in texts(figure)
    drawn(figure)


def test_strip_has_a_row_for_each_role():
    tiles = np.arange(30, dtype=np.uint8)[:, None, None, None] * 8 + np.zeros((1, 20, 20, 3), np.uint8)
    rows = [("anchor", np.arange(3)), ("negative", np.arange(10, 30)), ("nobody", np.array([], int))]
    strip = figures.batch_strip(tiles, rows)
    side = 60  # 20 pixels, enlarged by the whole number that reaches 48
    assert strip.shape[0] == 3 * side + 2 * GAP
    margin = strip.shape[1] - 12 * (side + GAP) + GAP
    assert margin > 20
    for row, (_, indices) in enumerate(rows):
        top = row * (side + GAP)
        for column in range(12):
            left = margin + column * (side + GAP)
            value = indices[column] * 8 if column < len(indices) else 255  # empty places are white
            assert (strip[top : top + side, left : left + side] == value).all()
        assert strip[top : top + side, :margin].min() < 100  # the name


def test_strip_keeps_large_tiles_as_they_are():
    tiles = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    strip = figures.batch_strip(tiles, [("anchor", np.array([1]))])
    assert np.array_equal(strip[:, -96:], tiles[1])


def test_saved_figure_is_whole(tmp_path):
    from PIL import Image

    path = tmp_path / "folder" / "figure.png"
    save(figures.confusion_matrix(np.eye(1, dtype=int), LEGENDS["one"], "title"), path)
    with Image.open(path) as image:
        image.load()
    assert list(path.parent.iterdir()) == [path]
