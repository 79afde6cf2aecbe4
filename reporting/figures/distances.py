"""Histograms of the distances between embeddings of tiles: of the same and of different labels, or of all tiles."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dataProcessors.legends.legend import labelled_or_all
from reporting.figures.style import CONTRAST_COLOUR, MAIN_COLOUR, new_figure

MAX_TILES = 2_000  # all pairs of these are counted
BINS = 60


def distances(embeddings: np.ndarray, labels: np.ndarray, title: str) -> Figure:
    """Draw histograms of the squared distances of pairs of tiles: of the same label, and of different labels.

    Each histogram has area 1. Where no tile has a label, there is one histogram, of all pairs.

    Args:
        embeddings: (N, D)
        labels: (N,) class indices; tiles without a label, -1, are left out
        title: of the figure
    """
    used = labelled_or_all(labels)[:MAX_TILES]
    kind, same = ("labelled tiles", "same label") if (labels[used] >= 0).any() else ("tiles", "all pairs")
    same_label, different_labels = pair_distances(embeddings[used], labels[used])
    figure = new_figure(8, 4.6)
    axes = figure.add_subplot(
        title=title,
        xlabel=f"squared distance of two tiles ({len(used):,} {kind})",
        ylabel="share of the pairs (density)",
    )
    highest = max(np.max(same_label, initial=0), np.max(different_labels, initial=0)) or 1
    for name, values, colour in (
        (same, same_label, MAIN_COLOUR),
        ("different labels", different_labels, CONTRAST_COLOUR),
    ):
        if len(values):
            _histogram(axes, name, values, highest, colour)
    if len(axes.patches):
        axes.legend(loc="upper right")
    else:
        axes.text(0.5, 0.5, f"no pair of {kind}", ha="center", va="center", transform=axes.transAxes)
    return figure


def _histogram(axes: Axes, name: str, values: np.ndarray, highest: float, colour: str) -> None:
    """Draw the distances from 0 to `highest`, and a line at their median."""
    middle = np.median(values)
    text = f"{name} ({len(values):,} pairs, median {middle:.3g})"
    style: dict[str, Any] = {"histtype": "stepfilled", "color": colour, "alpha": 0.45}
    axes.hist(values, BINS, range=(0, highest), density=True, label=text, **style)
    axes.axvline(middle, color=colour, linestyle="--", linewidth=1.5)


def pair_distances(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the squared distances of all pairs of tiles of the same label, and of those of different labels."""
    if len(labels) < 2:
        return np.empty(0), np.empty(0)
    from scipy.spatial.distance import pdist

    first, second = np.triu_indices(len(labels), 1)
    squared, is_same = pdist(embeddings, "sqeuclidean"), labels[first] == labels[second]
    return squared[is_same], squared[~is_same]
