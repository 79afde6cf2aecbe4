"""UMAP of the embeddings in two and three dimensions."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dataProcessors.legends.legend import Legend
from reporting.figures.style import class_colours, class_names, new_figure
from reporting.figures.thumbnails import thumbnails

NEIGHBOURS = 15
MIN_FOR_SPECTRAL = 32  # different embeddings; with fewer, UMAP's spectral initialisation finds too few eigenvectors
NAMES_PER_COLUMN = 22
BACKGROUND = "#eeeeee"  # both pale and dark legend colours can be seen on it
GRID_SIDE = 40  # thumbnails along each side of the figure
AXES_STYLE = {"xticks": [], "yticks": [], "xlabel": "UMAP, first dimension", "ylabel": "UMAP, second dimension"}


def umap_layout(embeddings: np.ndarray, seed: int, dimensions: int = 2) -> np.ndarray:
    """Compute UMAP coordinates (N, dimensions) of finite embeddings (N, D) (McInnes et al. 2018, arXiv:1802.03426).

    Equal embeddings get equal coordinates, however many there are.
    """
    different, inverse = np.unique(np.asarray(embeddings, np.float32), axis=0, return_inverse=True)
    if len(different) < dimensions + 2:  # UMAP needs two neighbours of each, and so few need no unfolding
        return np.pad(different, ((0, 0), (0, dimensions)))[:, :dimensions][inverse.ravel()]
    import umap as umap_learn  # the import takes seconds

    reducer = umap_learn.UMAP(
        n_neighbors=min(NEIGHBOURS, len(different) - 1),
        n_components=dimensions,
        init="spectral" if len(different) >= MIN_FOR_SPECTRAL else "random",
        random_state=seed,
        n_jobs=1,  # with a seed UMAP uses one thread only
    )
    return reducer.fit_transform(different)[inverse.ravel()]


def umap(points: np.ndarray, labels: np.ndarray, legend: Legend, title: str) -> Figure:
    """Draw tiles as dots at UMAP coordinates (N, 2), in the colours of their labels (N,), -1 if a tile has no label."""
    figure = new_figure(6.8 + 2.6 * _legend_columns(labels), 6.8)
    axes = figure.add_subplot(title=title, facecolor=BACKGROUND, **AXES_STYLE)
    x, y = points.T
    axes.scatter(x, y, s=_dot_size(points), c=class_colours(legend)[labels] / 255, edgecolors="black", linewidths=0.25)
    _add_class_legend(figure, labels, legend)
    return figure


def umap_3d(points: np.ndarray, labels: np.ndarray, legend: Legend, title: str) -> Figure:
    """Draw tiles as dots in three dimensions, at UMAP coordinates (N, 3); labels as in `umap`."""
    figure = new_figure(7.4 + 2.6 * _legend_columns(labels), 7.4)
    axes = figure.add_subplot(projection="3d", computed_zorder=False)
    axes.set(title=title, xlabel="UMAP 1", ylabel="UMAP 2", zlabel="UMAP 3")
    axes.scatter(
        *points.T, s=_dot_size(points), c=class_colours(legend)[labels] / 255, edgecolors="black", linewidths=0.25,
        depthshade=False,
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_ticklabels([])  # the scale of UMAP has no meaning
        axis.set_pane_color(BACKGROUND)
        axis.labelpad = -8
    axes.set_box_aspect(None, zoom=1.05)
    _add_class_legend(figure, labels, legend)
    return figure


def umap_tiles(points: np.ndarray, rgb: np.ndarray, labels: np.ndarray, legend: Legend, title: str) -> Figure:
    """Draw the tiles themselves (N, H, W, 3) at UMAP coordinates (N, 2), each moved to the nearest free grid cell.

    If there are too many tiles for the figure, only the first ones are drawn.
    """
    shown = min(len(points), GRID_SIDE**2 // 2)
    pictures = thumbnails(rgb[:shown], labels[:shown], legend)
    side = pictures.shape[1]
    canvas = np.full((GRID_SIDE * side, GRID_SIDE * side, 3), int(BACKGROUND[1:3], 16), np.uint8)
    for (column, row), picture in zip(free_grid_cells(points[:shown]), pictures):
        canvas[row * side : (row + 1) * side, column * side : (column + 1) * side] = picture
    figure = new_figure(11 + 2.6 * _legend_columns(labels), 11)
    axes = figure.add_subplot(title=title, **AXES_STYLE)
    axes.imshow(canvas, interpolation="antialiased")
    hidden = len(labels) - shown
    _add_class_legend(figure, labels[:shown], legend, f"tiles; no space for {hidden:,} more" if hidden else "tiles")
    return figure


def free_grid_cells(points: np.ndarray) -> np.ndarray:
    """Return a grid cell for each of the points (N, 2): the nearest cell that no earlier point has taken.

    Returns:
        (N, 2) int: column and row, 0 to GRID_SIDE - 1; rows grow downwards
    """
    low, extent = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-12)
    scaled = (points - low) / extent * (GRID_SIDE - 1) * (1, -1) + (0, GRID_SIDE - 1)  # rows grow downwards
    grid = np.stack(np.meshgrid(np.arange(GRID_SIDE), np.arange(GRID_SIDE)), -1).reshape(-1, 2)
    free, cells = np.ones(len(grid), bool), np.empty((len(points), 2), int)
    for tile, point in enumerate(scaled):
        distances = np.square(grid - point).sum(1)
        distances[~free] = np.inf
        nearest = distances.argmin()
        free[nearest], cells[tile] = False, grid[nearest]
    return cells


def _legend_columns(labels: np.ndarray) -> int:
    return max(1, -(-len(np.unique(labels)) // NAMES_PER_COLUMN))


def _dot_size(points: np.ndarray) -> float:
    return float(np.clip(20_000 / max(1, len(points)), 6, 40))


def _add_class_legend(figure: Figure, labels: np.ndarray, legend: Legend, unit: str = "tiles") -> None:
    names, colours = class_names(legend, width=30), class_colours(legend) / 255
    occurring, counts = np.unique(labels, return_counts=True)
    handles = [_handle(f"{names[c]} ({n:,})", colours[c]) for c, n in zip(occurring, counts)]
    columns = _legend_columns(labels)
    figure.legend(handles=handles, loc="outside right upper", fontsize=9, ncols=columns, title=f"class ({unit})")


def _handle(name: str, colour: np.ndarray) -> Line2D:
    return Line2D(
        [], [], markerfacecolor=tuple(colour), label=name, marker="o", linestyle="", markersize=7,
        markeredgecolor="black", markeredgewidth=0.5,
    )  # fmt: skip
