"""How a training went: what was logged of its steps, and its scores beside those of the baselines."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reporting.columns import heading
from reporting.figures.style import BASELINE_COLOURS, INK, new_figure

SIZE = (4.4, 3.1)  # inches; small, so that several stand side by side on a screen and one is readable on a phone
SHARPNESS = 200  # dots per inch
BINS = 60  # points of a curve; of more steps than that, each point stands for several
COLOURS = (INK, "#D55E00", "#009E73", "#CC79A7")  # Okabe & Ito 2008, told apart by colour-blind people
# unlike one another in more than their colour
BASELINES = {
    name: {"color": BASELINE_COLOURS[name], "linestyle": style}
    for name, style in {"untrained": "--", "band_statistics": "-.", "chance": ":"}.items()
}
STYLES = ("-", "--", "-.", ":")


def step_curves(title: str, curves: dict[str, tuple[np.ndarray, np.ndarray]], unit: str = "") -> Figure:
    """What was logged of each step: a line for the mean of successive steps, a band from their 10 % to their 90 %.

    Args:
        title: of the figure
        curves: name -> steps (n,), rising, and values (n,); a value that is not finite is left out
        unit: of the values
    """
    figure, axes = _figure(title)
    axes.set_ylabel(unit)
    for (name, (steps, values)), colour, style in zip(curves.items(), COLOURS, STYLES):
        finite = np.isfinite(values)
        middle, mean, low, high = binned(steps[finite], values[finite])
        axes.fill_between(middle, low, high, color=colour, alpha=0.2, linewidth=0)
        dot = "." if len(middle) < 3 else None
        axes.plot(middle, mean, color=colour, linestyle=style, linewidth=1.6, marker=dot, label=name)
    if len(curves) > 1:
        axes.legend(fontsize=9)
    return figure


def score_curve(
    title: str, steps: np.ndarray, means: np.ndarray, spreads: np.ndarray, baselines: dict[str, float]
) -> Figure:
    """A score of the trained network, its spread over the draws as a band, beside the baselines as straight lines.

    Args:
        title: of the figure
        steps: (n,) that were evaluated
        means: (n,)
        spreads: (n,) standard deviations
        baselines: name, a key of BASELINES or any other -> their score
    """
    figure, axes = _figure(title)
    dot = "o" if len(steps) <= 30 else None
    axes.fill_between(steps, means - spreads, means + spreads, color=INK, alpha=0.2, linewidth=0)
    axes.plot(steps, means, color=INK, linewidth=1.8, marker=dot, markersize=4, label="trained")
    for name, value in baselines.items():
        style = BASELINES.get(name, {"color": "#666666", "linestyle": (0, (5, 1, 1, 1, 1, 1))})
        if np.isfinite(value):
            axes.axhline(value, linewidth=1.5, label=heading(name), **style)
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False, handlelength=3)
    return figure


def binned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Steps (n,) and values (n,) in at most BINS groups of successive steps: (b,) mean step, mean, 10 % and 90 %."""
    count = min(BINS, len(steps))
    if not count:
        return (np.empty(0),) * 4
    groups = np.array_split(values, count)
    low, high = np.transpose([np.percentile(group, (10, 90)) for group in groups])
    middle = np.array([group.mean() for group in np.array_split(steps, count)])
    return middle, np.array([group.mean() for group in groups]), low, high


def as_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=SHARPNESS)
    return file.getvalue()


def _figure(title: str) -> tuple[Figure, Axes]:
    figure = new_figure(*SIZE)
    axes = figure.add_subplot(xlabel="step")
    axes.set_title(title, fontsize=11)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.ticklabel_format(axis="both", useOffset=False, style="plain")
    return figure, axes
