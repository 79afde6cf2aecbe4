"""Figures of tiles: where they lie on the map, rows of them with their label map, and how figures are saved."""

import numpy as np
from figures_for_tests import LEGENDS, drawn, texts
from PIL import Image

from reporting import figures
from reporting.figures import Overview
from reporting.figures.style import label_picture, save_figure
from reporting.figures.tile_rows import GAP, PICTURES_GAP, TITLE_HEIGHT


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


def test_label_picture_has_the_colours_of_the_classes():
    classes = np.array([[[0, 2], [255, 12]]], np.uint8)
    osm = LEGENDS["osm"].colors
    assert label_picture(classes, LEGENDS["osm"])[0].tolist() == [
        [list(osm[0]), list(osm[2])], [[127] * 3, list(osm[12])],
    ]  # fmt: skip


def test_saved_figure_is_whole(tmp_path):
    path = tmp_path / "folder" / "figure-1.5"
    save_figure(figures.confusion_matrix(np.eye(1, dtype=int), LEGENDS["one"], "title"), path)
    with Image.open(path.with_name("figure-1.5.png")) as image:
        image.load()
    assert path.with_name("figure-1.5.svg").read_text().rstrip().endswith("</svg>")
    assert len(list(path.parent.iterdir())) == 2
