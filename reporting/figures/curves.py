"""Learning curves: values logged at each step, and scores beside those of the yardsticks."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reporting.feature_sets import TRAINED, feature_title, look
from reporting.figures.style import MAIN_COLOUR, new_figure

SIZE = (4.4, 3.1)  # inches; several fit side by side on a screen, and one is readable on a phone
PNG_DPI = 200  # dots per inch
BINS = 60  # most points of a curve; if there are more steps, each point is a mean of several
COLOURS = (MAIN_COLOUR, "#D55E00", "#009E73", "#CC79A7")  # Okabe & Ito 2008, for colour-blind people
LINE_STYLES = ("-", "--", "-.", ":")


def step_curves(title: str, curves: dict[str, tuple[np.ndarray, np.ndarray]], unit: str = "") -> Figure:
    """Draw values logged at each step: a line for means of successive steps, a band from their 10 % to 90 % percentile.

    Args:
        title: of the figure
        curves: name -> steps (n,), rising, and values (n,); values that are not finite are left out. A legend names
            them, unless there is one that the title names
        unit: of the values
    """
    figure, axes = _new_axes(title)
    axes.set_ylabel(unit)
    for (name, (steps, values)), colour, style in zip(curves.items(), COLOURS, LINE_STYLES):
        finite = np.isfinite(values)
        middle, mean, low, high = bin_steps(steps[finite], values[finite])
        axes.fill_between(middle, low, high, color=colour, alpha=0.2, linewidth=0)
        marker_style = "." if len(middle) < 3 else None
        axes.plot(middle, mean, color=colour, linestyle=style, linewidth=1.6, marker=marker_style, label=name)
    if list(curves) != [title.lower()]:  # a curve that the title names needs no legend
        axes.legend(fontsize=9)
    return figure


def score_curve(
    title: str, steps: np.ndarray, means: np.ndarray, spreads: np.ndarray, yardsticks: dict[str, float]
) -> Figure:
    """Draw a score of the trained network with a band of its standard deviation; yardsticks are horizontal lines.

    Args:
        title: of the figure
        steps: (n,) that were evaluated
        means: (n,) of the score
        spreads: (n,) standard deviations
        yardsticks: name of yardstick or "chance" -> score
    """
    figure, axes = _new_axes(title)
    marker_style = "o" if len(steps) <= 30 else None
    axes.fill_between(steps, means - spreads, means + spreads, color=MAIN_COLOUR, alpha=0.2, linewidth=0)
    axes.plot(steps, means, color=MAIN_COLOUR, linewidth=1.8, marker=marker_style, markersize=4, label=TRAINED)
    for name, value in yardsticks.items():
        colour, line, _ = look(name)
        if np.isfinite(value):
            axes.axhline(value, linewidth=1.5, label=feature_title(name), color=colour, linestyle=line)
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False, handlelength=3)
    return figure


def bin_steps(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Divide steps (n,) and values (n,) into b groups of successive steps, at most BINS.

    Returns:
        four arrays (b,): mean step, mean value, and the 10 % and 90 % percentiles of the values of each group
    """
    count = min(BINS, len(steps))
    if not count:
        return (np.empty(0),) * 4
    groups = np.array_split(values, count)
    low, high = np.transpose([np.percentile(group, (10, 90)) for group in groups])
    middle = np.array([group.mean() for group in np.array_split(steps, count)])
    return middle, np.array([group.mean() for group in groups]), low, high


def figure_to_png(figure: Figure) -> bytes:
    """Return the content of a PNG file of the figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=PNG_DPI)
    return file.getvalue()


def _new_axes(title: str) -> tuple[Figure, Axes]:
    figure = new_figure(*SIZE)
    axes = figure.add_subplot(xlabel="step")
    axes.set_title(title, fontsize=11)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.ticklabel_format(axis="both", useOffset=False, style="plain")
    return figure, axes
