"""The embeddings in two dimensions."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dataProcessors.labels import Legend
from reporting.figures.style import class_colours, class_names, new_figure

NEIGHBOURS = 15
FEWEST_FOR_SPECTRAL = 32  # different embeddings; with fewer, UMAP's spectral start finds too few eigenvectors
NAMES_PER_COLUMN = 22


def umap(embeddings: np.ndarray, labels: np.ndarray, legend: Legend, seed: int, title: str = "UMAP") -> Figure:
    """UMAP (McInnes et al. 2018, arXiv:1802.03426) of embeddings, coloured by label.

    embeddings: (N, D), finite. labels: (N,), -1 where there is none.
    """
    places = layout(np.asarray(embeddings, np.float32), seed)
    names, colours = class_names(legend, width=30), class_colours(legend) / 255
    occurring, counts = np.unique(labels, return_counts=True)
    columns = max(1, -(-len(occurring) // NAMES_PER_COLUMN))
    figure = new_figure(6.8 + 2.6 * columns, 6.8)
    axes = figure.add_subplot()
    size = np.clip(20_000 / max(1, len(places)), 6, 40)
    axes.scatter(*places.T, s=size, c=colours[labels], edgecolors="black", linewidths=0.25)
    axes.set(xticks=[], yticks=[], xlabel="UMAP, first dimension", ylabel="UMAP, second dimension", title=title)
    axes.set_facecolor("#eeeeee")  # neither the palest nor the darkest legend colours disappear on it
    handles = [_handle(f"{names[c]} ({n:,})", colours[c]) for c, n in zip(occurring, counts)]
    figure.legend(handles=handles, loc="outside right upper", fontsize=9, ncols=columns, title="class (tiles)")
    return figure


def layout(embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Places (N, 2) of embeddings (N, D) float32; equal embeddings lie at one place, whatever their number."""
    different, of_each = np.unique(embeddings, axis=0, return_inverse=True)
    if len(different) < 4:  # UMAP needs two neighbours each, and there is nothing to unfold
        return np.pad(different, ((0, 0), (0, 2)))[:, :2][of_each.ravel()]
    import umap as umap_learn  # takes seconds

    reducer = umap_learn.UMAP(
        n_neighbors=min(NEIGHBOURS, len(different) - 1),
        init="spectral" if len(different) >= FEWEST_FOR_SPECTRAL else "random",
        random_state=seed,
        n_jobs=1,  # a seed allows no more
    )
    return reducer.fit_transform(different)[of_each.ravel()]


def _handle(name: str, colour: np.ndarray) -> Line2D:
    style = {"marker": "o", "linestyle": "", "markersize": 7, "markeredgecolor": "black", "markeredgewidth": 0.5}
    return Line2D([], [], markerfacecolor=colour, label=name, **style)
