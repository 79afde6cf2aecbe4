"""The embeddings in two and three dimensions."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dataProcessors.legends.legend import Legend
from reporting.figures.style import class_colours, class_names, new_figure
from reporting.figures.thumbnails import thumbnails

NEIGHBOURS = 15
MIN_FOR_SPECTRAL = 32  # different embeddings; with fewer, UMAP's spectral start finds too few eigenvectors
NAMES_PER_COLUMN = 22
GROUND = "#eeeeee"  # neither the palest nor the darkest legend colours disappear on it
PLACES = 40  # thumbnails along a side of the picture
ASPECT = {"xticks": [], "yticks": [], "xlabel": "UMAP, first dimension", "ylabel": "UMAP, second dimension"}


def layout(embeddings: np.ndarray, seed: int, dimensions: int = 2) -> np.ndarray:
    """UMAP (McInnes et al. 2018, arXiv:1802.03426): places (N, dimensions) of embeddings (N, D), which are finite.

    Equal embeddings lie at one place, whatever their number.
    """
    different, of_each = np.unique(np.asarray(embeddings, np.float32), axis=0, return_inverse=True)
    if len(different) < dimensions + 2:  # UMAP needs two neighbours each, and there is nothing to unfold
        return np.pad(different, ((0, 0), (0, dimensions)))[:, :dimensions][of_each.ravel()]
    import umap as umap_learn  # takes seconds

    reducer = umap_learn.UMAP(
        n_neighbors=min(NEIGHBOURS, len(different) - 1),
        n_components=dimensions,
        init="spectral" if len(different) >= MIN_FOR_SPECTRAL else "random",
        random_state=seed,
        n_jobs=1,  # a seed allows no more
    )
    return reducer.fit_transform(different)[of_each.ravel()]


def umap(places: np.ndarray, labels: np.ndarray, legend: Legend, title: str) -> Figure:
    """Tiles as dots at places (N, 2), in the colours of their labels (N,), -1 where there is none."""
    figure = new_figure(6.8 + 2.6 * _columns(labels), 6.8)
    axes = figure.add_subplot(title=title, facecolor=GROUND, **ASPECT)
    axes.scatter(*places.T, s=_size(places), c=class_colours(legend)[labels] / 255, edgecolors="black", linewidths=0.25)
    _name_classes(figure, labels, legend)
    return figure


def umap_3d(places: np.ndarray, labels: np.ndarray, legend: Legend, title: str) -> Figure:
    """The same in three dimensions, places (N, 3)."""
    figure = new_figure(7.4 + 2.6 * _columns(labels), 7.4)
    axes = figure.add_subplot(projection="3d", computed_zorder=False)
    axes.set(title=title, xlabel="UMAP 1", ylabel="UMAP 2", zlabel="UMAP 3")
    axes.scatter(
        *places.T, s=_size(places), c=class_colours(legend)[labels] / 255, edgecolors="black", linewidths=0.25,
        depthshade=False,
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_ticklabels([])  # the scale of UMAP says nothing
        axis.set_pane_color(GROUND)
        axis.labelpad = -8
    axes.set_box_aspect(None, zoom=1.05)
    _name_classes(figure, labels, legend)
    return figure


def umap_tiles(places: np.ndarray, rgb: np.ndarray, labels: np.ndarray, legend: Legend, title: str) -> Figure:
    """The tiles themselves (N, H, W, 3) at places (N, 2), framed, each moved to the nearest place that is free.

    Where there are more tiles than the picture holds, the first of them are shown.
    """
    shown = min(len(places), PLACES**2 // 2)
    pictures = thumbnails(rgb[:shown], labels[:shown], legend)
    side = pictures.shape[1]
    canvas = np.full((PLACES * side, PLACES * side, 3), int(GROUND[1:3], 16), np.uint8)
    for (column, row), picture in zip(free_places(places[:shown]), pictures):
        canvas[row * side : (row + 1) * side, column * side : (column + 1) * side] = picture
    figure = new_figure(11 + 2.6 * _columns(labels), 11)
    axes = figure.add_subplot(title=title, **ASPECT)
    axes.imshow(canvas, interpolation="antialiased")
    hidden = len(labels) - shown
    _name_classes(
        figure, labels[:shown], legend, f"tiles, without {hidden:,} for which there is no room" if hidden else "tiles"
    )
    return figure


def free_places(places: np.ndarray) -> np.ndarray:
    """Columns and rows (N, 2), 0..PLACES-1, of places (N, 2): a grid's nearest to each that none before it took."""
    low, extent = places.min(0), np.maximum(np.ptp(places, axis=0), 1e-12)
    wanted = (places - low) / extent * (PLACES - 1) * (1, -1) + (0, PLACES - 1)  # rows grow downwards
    grid = np.stack(np.meshgrid(np.arange(PLACES), np.arange(PLACES)), -1).reshape(-1, 2)
    free, found = np.ones(len(grid), bool), np.empty((len(places), 2), int)
    for tile, place in enumerate(wanted):
        distances = np.square(grid - place).sum(1)
        distances[~free] = np.inf
        nearest = distances.argmin()
        free[nearest], found[tile] = False, grid[nearest]
    return found


def _columns(labels: np.ndarray) -> int:
    return max(1, -(-len(np.unique(labels)) // NAMES_PER_COLUMN))


def _size(places: np.ndarray) -> float:
    return float(np.clip(20_000 / max(1, len(places)), 6, 40))


def _name_classes(figure: Figure, labels: np.ndarray, legend: Legend, counted: str = "tiles") -> None:
    names, colours = class_names(legend, width=30), class_colours(legend) / 255
    occurring, counts = np.unique(labels, return_counts=True)
    handles = [_handle(f"{names[c]} ({n:,})", colours[c]) for c, n in zip(occurring, counts)]
    columns = _columns(labels)
    figure.legend(handles=handles, loc="outside right upper", fontsize=9, ncols=columns, title=f"class ({counted})")


def _handle(name: str, colour: np.ndarray) -> Line2D:
    style = {"marker": "o", "linestyle": "", "markersize": 7, "markeredgecolor": "black", "markeredgewidth": 0.5}
    return Line2D([], [], markerfacecolor=colour, label=name, **style)
