"""Which tiles the network takes for alike: some tiles, and the nearest of all others."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dataProcessors.legends.legend import Legend
from evaluation.neighbours import check_embeddings, nearest
from reporting.figures.style import UNLIKE, class_names, new_figure
from reporting.figures.thumbnails import thumbnails

QUERIES, NEAREST = 8, 8
SIDE, BORDER = 64, 6  # pixels of a tile and of its frame
STEP = SIDE + 2 * BORDER + 8  # pixels from one tile to the next
TEXT = 42  # pixels below a tile for its class
GAP = 24  # pixels between a query and its neighbours
INCH = 76  # pixels


def queries(labels: np.ndarray, seed: int) -> np.ndarray:
    """Indices (at most QUERIES,) of tiles to show: chosen by chance, of as many labels (N,) as there are."""
    order = np.random.default_rng(seed).permutation(np.flatnonzero(labels >= 0))
    place = np.array([(labels[order[:i]] == labels[tile]).sum() for i, tile in enumerate(order)], int)
    chosen = order[np.argsort(place, kind="stable")][:QUERIES]  # the first of every label, then the second, ...
    return chosen[np.argsort(labels[chosen], kind="stable")]


def neighbours(
    embeddings: np.ndarray, labels: np.ndarray, rgb: np.ndarray, shown: np.ndarray, legend: Legend, title: str
) -> Figure:
    """A row for each of the tiles `shown` (q,): itself, and the tiles that lie nearest to it, from near to far.

    Args:
        embeddings: (N, D)
        labels: (N,), -1 where there is none
        rgb: (N, H, W, 3) uint8
        shown: (q,) indices
        legend: of the labels
        title: of the figure
    """
    count = min(NEAREST, len(embeddings) - 1)
    if count < 1 or not len(shown):
        return _empty(title)
    rows = np.column_stack([shown, nearest(check_embeddings(embeddings), shown, count)])  # (q, 1 + count)
    height, width = len(rows) * (STEP + TEXT), (1 + count) * STEP + GAP
    figure = new_figure(width / INCH, height / INCH + 0.8)
    axes = figure.add_subplot()
    axes.axis("off")
    axes.set_title(title, pad=24)
    axes.imshow(_mosaic(rows, thumbnails(rgb, labels, legend, SIDE, BORDER), height, width), interpolation="none")
    axes.text(STEP / 2, -8, "tile", ha="center", va="bottom")
    axes.text(STEP + GAP, -8, "nearest other scored tiles, from near to far (orange: another class)", va="bottom")
    _name(axes, rows, labels, class_names(legend, width=16, lines=3))
    return figure


def _mosaic(rows: np.ndarray, framed: np.ndarray, height: int, width: int) -> np.ndarray:
    mosaic = np.full((height, width, 3), 255, np.uint8)
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            top, left = row * (STEP + TEXT), _left(column)
            mosaic[top : top + framed.shape[1], left : left + framed.shape[2]] = framed[tile]
    return mosaic


def _name(axes: Axes, rows: np.ndarray, labels: np.ndarray, names: list[str]) -> None:
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            alike = labels[tile] == labels[tiles[0]]
            middle, top = _left(column) + SIDE / 2 + BORDER, row * (STEP + TEXT) + SIDE + 2 * BORDER + 3
            style = {"color": "black" if alike else UNLIKE, "fontweight": "normal" if alike else "bold"}
            axes.text(middle, top, names[labels[tile]], ha="center", va="top", fontsize=8, linespacing=1.0, **style)


def _left(column: int) -> int:
    return column * STEP + (GAP if column else 0)


def _empty(title: str) -> Figure:
    figure = new_figure(4, 3)
    axes = figure.add_subplot(title=title, xticks=[], yticks=[])
    axes.text(0.5, 0.5, "too few tiles were scored", ha="center", va="center")
    return figure
