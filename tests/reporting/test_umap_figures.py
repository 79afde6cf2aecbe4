"""Figures of embeddings by UMAP: as dots, as tiles, and in three dimensions."""

import numpy as np
import pytest
from figures_for_tests import LEGENDS, drawn

from reporting import figures
from reporting.figures.embedding import GRID_SIDE, free_grid_cells, umap_layout

UMAPS = {
    "dots": lambda places, labels, legend: figures.umap(places[:, :2], labels, legend, "title"),
    "tiles": lambda places, labels, legend: figures.umap_tiles(
        places[:, :2], np.zeros((len(places), 8, 8, 3), np.uint8), labels, legend, "title"
    ),
    "three dimensions": lambda places, labels, legend: figures.umap_3d(places, labels, legend, "title"),
}


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
