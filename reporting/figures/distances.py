"""How far apart like and unlike tiles lie."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reporting.figures.style import INK, UNLIKE, new_figure

MAX_TILES = 2_000  # whose pairs are counted
BINS = 60


def distances(embeddings: np.ndarray, labels: np.ndarray, title: str) -> Figure:
    """Histograms of the squared distances of pairs of tiles: of the same label, and of different ones.

    embeddings: (N, D). labels: (N,), -1 where there is none: such tiles are left out. Each histogram has area 1.
    """
    used = np.flatnonzero(labels >= 0)[:MAX_TILES]
    alike, unlike = pairs(embeddings[used], labels[used])
    figure = new_figure(8, 4.6)
    axes = figure.add_subplot(
        title=title,
        xlabel=f"squared distance of two of {len(used):,} labelled tiles",
        ylabel="share of the pairs (density)",
    )
    highest = max(np.max(alike, initial=0), np.max(unlike, initial=0)) or 1
    for name, values, colour in (("same label", alike, INK), ("different labels", unlike, UNLIKE)):
        if len(values):
            _histogram(axes, name, values, highest, colour)
    if len(axes.patches):
        axes.legend(loc="upper right")
    else:
        axes.text(0.5, 0.5, "no pair of labelled tiles", ha="center", va="center", transform=axes.transAxes)
    return figure


def _histogram(axes: Axes, name: str, values: np.ndarray, highest: float, colour: str) -> None:
    """Distances from 0 to the highest, and their median."""
    middle = np.median(values)
    told = f"{name} ({len(values):,} pairs, median {middle:.3g})"
    look = {"histtype": "stepfilled", "color": colour, "alpha": 0.45}
    axes.hist(values, BINS, range=(0, highest), density=True, label=told, **look)
    axes.axvline(middle, color=colour, linestyle="--", linewidth=1.5)


def pairs(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances of all pairs of tiles of the same label, and of different ones."""
    if len(labels) < 2:
        return np.empty(0), np.empty(0)
    from scipy.spatial.distance import pdist

    first, second = np.triu_indices(len(labels), 1)
    apart, same = pdist(embeddings, "sqeuclidean"), labels[first] == labels[second]
    return apart[same], apart[~same]
