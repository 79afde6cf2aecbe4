"""Which tiles the network finds similar: some tiles (the queries), and the nearest neighbours of each."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dataProcessors.legends.legend import Legend, labelled_or_all
from evaluation.neighbours import check_embeddings, nearest
from reporting.figures.style import CONTRAST_COLOUR, class_names, new_figure
from reporting.figures.thumbnails import thumbnails

MAX_QUERIES, MAX_NEIGHBOURS = 8, 8
MIN_WIDTH = 6  # neighbours that the figure is wide enough for, because of its title
SIDE, BORDER = 64, 6  # pixels of a tile and of its frame
STEP = SIDE + 2 * BORDER + 8  # pixels from one tile to the next
TEXT_HEIGHT = 42  # pixels below a tile for its class
GAP = 24  # pixels between a query and its neighbours
PIXELS_PER_INCH = 76


def choose_queries(labels: np.ndarray, seed: int) -> np.ndarray:
    """Choose tiles at random, of as many different labels (N,) as possible: indices, at most MAX_QUERIES.

    A tile without a label is chosen only where none has one.
    """
    order = np.random.default_rng(seed).permutation(labelled_or_all(labels))
    rank = np.array([(labels[order[:i]] == labels[tile]).sum() for i, tile in enumerate(order)], int)
    chosen = order[np.argsort(rank, kind="stable")][:MAX_QUERIES]  # the first of every label, then the second, ...
    return chosen[np.argsort(labels[chosen], kind="stable")]


def neighbours(
    embeddings: np.ndarray, labels: np.ndarray, rgb: np.ndarray, queries: np.ndarray, legend: Legend, title: str
) -> Figure:
    """Draw a row for each query: the tile itself, and its nearest neighbours, from near to far, with their classes.

    Args:
        embeddings: (N, D)
        labels: (N,) class indices, -1 if a tile has no label
        rgb: (N, H, W, 3) uint8
        queries: (q,) indices of the queries
        legend: of the labels; without classes, none are written
        title: of the figure
    """
    count = min(MAX_NEIGHBOURS, len(embeddings) - 1)
    if count < 1 or not len(queries):
        return _empty_figure(title)
    rows = np.column_stack([queries, nearest(check_embeddings(embeddings), queries, count)])  # (q, 1 + count)
    height, width = len(rows) * (STEP + TEXT_HEIGHT), (1 + max(count, MIN_WIDTH)) * STEP + GAP
    figure = new_figure(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH + 0.8)
    axes = figure.add_subplot()
    axes.axis("off")
    axes.set_title(title, pad=24)
    axes.imshow(_mosaic(rows, thumbnails(rgb, labels, legend, SIDE, BORDER), height, width), interpolation="none")
    axes.text(STEP / 2, -8, "tile", ha="center", va="bottom")
    about = "nearest other tiles, from near to far"
    axes.text(STEP + GAP, -8, f"{about} (orange: another class)" if len(legend) else about, va="bottom")
    if len(legend):
        _write_class_names(axes, rows, labels, class_names(legend, width=16, lines=3))
    return figure


def _mosaic(rows: np.ndarray, framed: np.ndarray, height: int, width: int) -> np.ndarray:
    mosaic = np.full((height, width, 3), 255, np.uint8)
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            top, left = row * (STEP + TEXT_HEIGHT), _left(column)
            mosaic[top : top + framed.shape[1], left : left + framed.shape[2]] = framed[tile]
    return mosaic


def _write_class_names(axes: Axes, rows: np.ndarray, labels: np.ndarray, names: list[str]) -> None:
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            same_class = labels[tile] == labels[tiles[0]]
            middle, top = _left(column) + SIDE / 2 + BORDER, row * (STEP + TEXT_HEIGHT) + SIDE + 2 * BORDER + 3
            style: dict[str, Any] = {
                "color": "black" if same_class else CONTRAST_COLOUR,
                "fontweight": "normal" if same_class else "bold",
            }
            axes.text(middle, top, names[labels[tile]], ha="center", va="top", fontsize=8, linespacing=1.0, **style)


def _left(column: int) -> int:
    return column * STEP + (GAP if column else 0)


def _empty_figure(title: str) -> Figure:
    figure = new_figure(4, 3)
    axes = figure.add_subplot(title=title, xticks=[], yticks=[])
    axes.text(0.5, 0.5, "too few tiles were scored", ha="center", va="center")
    return figure
