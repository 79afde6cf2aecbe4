"""Figures: what they show, and that they work with little or degenerate data."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from dataProcessors.legends.legend import Legend, builtin_legends
from reporting import figures
from reporting.figures import Overview
from reporting.figures.distances import pair_distances
from reporting.figures.embedding import GRID_SIDE, free_grid_cells, umap_layout
from reporting.figures.style import CONTRAST_COLOUR, class_names, label_picture, save_figure
from reporting.figures.tile_rows import GAP, PICTURES_GAP, TITLE_HEIGHT

LEGENDS = builtin_legends() | {"one": Legend("one", ("all of it",), ((10, 200, 30),))}


def texts(figure):
    """Return all visible texts of a figure."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def drawn(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight", pil_kwargs={"compress_level": 1})
    image = np.asarray(Image.open(file).convert("RGB"))
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert image.std() > 0


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


def test_umap_keeps_groups_apart_and_repeats_itself():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20)
    embeddings = (labels[:, None] * 10 + rng.normal(size=(40, 8))).astype(np.float32)
    embeddings[1] = embeddings[0]
    places = umap_layout(embeddings, seed=3)
    assert places.shape == (40, 2)
    assert np.array_equal(places, umap_layout(embeddings, seed=3))
    assert np.array_equal(places[0], places[1])  # equal rows lie at one place
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.diag(np.full(40, np.inf))
    assert (labels[distances.argmin(1)] == labels).all()
    few = umap_layout(embeddings[15:25], seed=3, dimensions=3)  # fewer than UMAP's 15 neighbours
    assert few.shape == (10, 3)
    assert np.isfinite(few).all()


UMAPS = {
    "dots": lambda places, labels, legend: figures.umap(places[:, :2], labels, legend, "title"),
    "tiles": lambda places, labels, legend: figures.umap_tiles(
        places[:, :2], np.zeros((len(places), 8, 8, 3), np.uint8), labels, legend, "title"
    ),
    "three dimensions": lambda places, labels, legend: figures.umap_3d(places, labels, legend, "title"),
}


@pytest.mark.parametrize("kind", UMAPS)
@pytest.mark.parametrize("tiles", [1, 3, 50])
def test_umap_figures_of_few_or_equal_embeddings(kind, tiles):
    places = umap_layout(np.ones((tiles, 8)), seed=0, dimensions=3)
    figure = UMAPS[kind](places, np.full(tiles, -1), LEGENDS["osm"])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"no label ({tiles})"]
    drawn(figure)


@pytest.mark.parametrize("kind", ["dots", "three dimensions"])
def test_umap_figures_name_the_classes_that_occur_and_use_their_colours(kind):
    labels = np.array([10, 2, 2])
    figure = UMAPS[kind](np.eye(3), labels, LEGENDS["osm"])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["forest (2)", "water (1)"]
    colours = np.unique(figure.axes[0].collections[0].get_facecolors()[:, :3] * 255, axis=0)
    assert np.allclose(colours, np.unique(np.array(LEGENDS["osm"].colors)[labels], axis=0))


def test_tiles_of_a_umap_lie_near_their_places_and_never_on_one_another():
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.normal(size=(300, 2)) / 100, [[-5.0, -5.0], [5.0, 5.0]]])
    cells = free_grid_cells(places)
    assert len(np.unique(cells, axis=0)) == len(places)
    assert cells.min() >= 0 and cells.max() < GRID_SIDE
    assert cells[-2].tolist() == [0, GRID_SIDE - 1]  # lower left: rows grow downwards
    assert cells[-1].tolist() == [GRID_SIDE - 1, 0]
    assert np.abs(cells[:-2] - (GRID_SIDE - 1) / 2).max() < 12  # 300 around the middle fill a disc of radius 10
    many = GRID_SIDE**2
    drawn(UMAPS["tiles"](rng.normal(size=(many, 3)), np.zeros(many, int), LEGENDS["one"]))


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
    reserved, *clusters = [
        (*each.get_edgecolor()[0], str(each.get_linestyle())) for each in figure.axes[0].collections[:13]
    ]
    assert len({*clusters}) == 12, "told apart by colour and line"
    assert reserved[:4] not in [each[:4] for each in clusters]
    assert "cluster 11 (1)" in texts(figure)
    assert "none (0)" in texts(figure)
    drawn(figure)


def test_rows_of_tiles_have_the_label_map_beside_them():
    tiles = np.arange(30, dtype=np.uint8)[:, None, None, None] * 8 + np.zeros((1, 20, 20, 3), np.uint8)
    rows = [("anchor", np.arange(3)), ("negative", np.arange(10, 30)), ("nobody", np.array([], int))]
    picture = figures.tile_rows({"image": tiles, "label map": 255 - tiles}, rows)
    side, columns = 60, 8  # 20 pixels, enlarged by the whole number that reaches 48
    block = columns * (side + GAP) - GAP
    assert picture.shape[0] == TITLE_HEIGHT + 3 * side + 2 * GAP
    margin = picture.shape[1] - 2 * block - PICTURES_GAP
    assert margin > 20
    for row, (_, indices) in enumerate(rows):
        top = TITLE_HEIGHT + row * (side + GAP)
        for column in range(columns):
            left = margin + column * (side + GAP)
            there = column < len(indices)
            value = indices[column] * 8 if there else 255  # empty places are white
            assert (picture[top : top + side, left : left + side] == value).all()
            left += block + PICTURES_GAP
            assert (picture[top : top + side, left : left + side] == (255 - value if there else 255)).all()
        assert picture[top : top + side, :margin].min() < 100  # the name
    alone = figures.tile_rows({"image": tiles}, rows)
    assert np.array_equal(alone, picture[:, : margin + block])


def test_rows_of_large_tiles_keep_their_pixels_and_have_heads():
    tiles = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    pictures = {"image": tiles, "label map": tiles}
    plain, headed = (figures.tile_rows(pictures, [("anchor", np.array([1]))], heads) for heads in ((), ("0.71",)))
    assert np.array_equal(plain[TITLE_HEIGHT:, -96:], tiles[1])
    assert np.array_equal(plain[TITLE_HEIGHT:], headed[TITLE_HEIGHT:])
    assert not np.array_equal(plain[:TITLE_HEIGHT], headed[:TITLE_HEIGHT])
    assert figures.tile_rows(pictures, []).shape[2] == 3


def test_saved_figure_is_whole(tmp_path):
    path = tmp_path / "folder" / "figure-1.5"
    save_figure(figures.confusion_matrix(np.eye(1, dtype=int), LEGENDS["one"], "title"), path)
    with Image.open(path.with_name("figure-1.5.png")) as image:
        image.load()
    assert path.with_name("figure-1.5.svg").read_text().rstrip().endswith("</svg>")
    assert len(list(path.parent.iterdir())) == 2


def test_label_picture_has_the_colours_of_the_classes():
    classes = np.array([[[0, 2], [255, 12]]], np.uint8)
    osm = LEGENDS["osm"].colors
    assert label_picture(classes, LEGENDS["osm"])[0].tolist() == [
        [list(osm[0]), list(osm[2])], [[127] * 3, list(osm[12])],
    ]  # fmt: skip
