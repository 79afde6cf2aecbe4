"""Confusion matrix: which classes are confused with which."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation
from sklearn.metrics import ConfusionMatrixDisplay

from dataProcessors.legends.legend import Legend
from reporting.figures.style import SWATCH_STYLE, class_colours, class_names, new_figure

MAX_WITH_VALUES = 20  # classes; with more, the numbers do not fit into the cells


def confusion_matrix(counts: np.ndarray, legend: Legend, title: str) -> Figure:
    """Draw the confusion matrix of the classes that occur, each row divided by its sum.

    counts: (K, K) numbers of tiles; rows are true classes, columns predicted classes.
    """
    occurring = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    if not len(occurring):
        return _empty_figure(title)
    counts = counts[np.ix_(occurring, occurring)]
    names = class_names(legend, width=30)
    display = ConfusionMatrixDisplay(
        counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), display_labels=[names[c] for c in occurring]
    )
    figure = _draw(display, title, crowded=len(occurring) > MAX_WITH_VALUES)
    _add_swatches(display.ax_, class_colours(legend)[occurring] / 255)
    return figure


def _draw(display: ConfusionMatrixDisplay, title: str, crowded: bool) -> Figure:
    side = max(6.5, 2.4 + len(display.confusion_matrix) * (0.28 if crowded else 0.5))
    figure = new_figure(side + 1.2, side)
    display.plot(
        ax=figure.add_subplot(),
        include_values=not crowded,
        values_format=".2f",
        cmap="Blues",
        xticks_rotation="vertical",
        colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
        text_kw={"fontsize": 9},
    )
    for text in [] if crowded else display.text_.ravel():
        text.set_visible(text.get_text() != "0.00")  # so that the other numbers stand out
    display.ax_.tick_params(labelsize=9 if crowded else 10, length=0, pad=12)
    display.ax_.set(title=title, xlabel="predicted class", ylabel="true class")
    figure.colorbar(display.im_, ax=display.ax_, fraction=0.04, pad=0.02, label="share of the true class")
    return figure


def _add_swatches(axes: Axes, colours: np.ndarray) -> None:
    """Draw a square in the colour (k, 3) of each class beside its name, on both axes."""
    k, edge = np.arange(len(colours)), np.zeros(len(colours))
    inch = axes.figure.dpi_scale_trans
    left, down = ScaledTranslation(-0.09, 0, inch), ScaledTranslation(0, -0.09, inch)
    axes.scatter(edge, k, c=colours, transform=axes.get_yaxis_transform() + left, **SWATCH_STYLE)
    axes.scatter(k, edge, c=colours, transform=axes.get_xaxis_transform() + down, **SWATCH_STYLE)


def _empty_figure(title: str) -> Figure:
    figure = new_figure(4, 3)
    axes = figure.add_subplot(title=title, xticks=[], yticks=[])
    axes.text(0.5, 0.5, "no tile was scored", ha="center", va="center")
    return figure
