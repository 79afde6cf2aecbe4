"""True against predicted proportions of each class."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dataProcessors.legends.legend import Legend
from reporting.figures.style import MAIN_COLOUR, SWATCH_STYLE, class_colours, class_names, new_figure

MAX_CLASSES = 16
MAX_COLUMNS = 4


def proportions(predicted: np.ndarray, truth: np.ndarray, legend: Legend, title: str) -> Figure:
    """Draw true against predicted share of a class, a panel for each of the most frequent classes, at most 16.

    predicted, truth: (N, K), a row for each tile; shares in [0, 1].
    """
    share = truth.sum(axis=0)  # (K,)
    if (share > 0).sum() > MAX_CLASSES:
        title += f"\nthe {MAX_CLASSES} most frequent of {(share > 0).sum()} classes"
    shown = [c for c in np.argsort(-share, kind="stable")[:MAX_CLASSES] if share[c] > 0]
    columns = max(1, min(MAX_COLUMNS, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure = new_figure(0.4 + 2.2 * columns, 0.9 + 2.4 * rows)
    names, colours = class_names(legend, width=26), class_colours(legend) / 255
    for number, c in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, columns, number)
        _draw_panel(axes, truth[:, c], predicted[:, c])
        axes.set_title(names[c], fontsize=9, loc="left", x=0.1)
        axes.scatter([0.04], [1.07], color=colours[c], transform=axes.transAxes, **SWATCH_STYLE)
    figure.suptitle(title)
    figure.supxlabel("true share of the tile", fontsize=11)
    figure.supylabel("predicted share of the tile", fontsize=11)
    return figure


def _draw_panel(axes: Axes, truth: np.ndarray, predicted: np.ndarray) -> None:
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    axes.scatter(truth, predicted, s=9, alpha=0.3, color=MAIN_COLOUR, linewidths=0, rasterized=True)
    error = np.abs(predicted - truth).mean()
    axes.set_xlabel(f"mean error {error:.3f}", fontsize=9)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.tick_params(labelsize=9)
