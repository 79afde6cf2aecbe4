"""The figure of a grid: a panel for each map and score, with a row for each config."""

from collections.abc import Callable
from itertools import cycle
from math import isfinite
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from grid.results import MapResults, Row, best_row
from reporting.comparison.figure import (
    BEST_COLOUR,
    LETTER_WIDTH,
    MARGIN_HEIGHT,
    MAX_LENGTH,
    PANEL_WIDTH,
    ROW_HEIGHT,
    empty_figure,
    finish_panel,
)  # fmt: skip
from reporting.feature_sets import Look, look
from reporting.figures.letters import legible
from reporting.figures.style import MAIN_COLOUR, new_figure
from reporting.tables import shorten

MEAN_STYLE: dict[str, Any] = {"linestyle": "", "marker": "|", "markersize": 15, "markeredgewidth": 2.2}
SEED_STYLE: dict[str, Any] = {
    "linestyle": "",
    "marker": "o",
    "markersize": 5,
    "markerfacecolor": "white",
    "markeredgewidth": 1,
}
LINE_STYLES = ("-", "--", ":", "-.")  # of further yardsticks with the look of another


def grid_figure(results: list[MapResults], tags_of: Callable[[MapResults], list[str]]) -> Figure:
    """Draw a row of panels for each map, with a panel for each score.

    In a panel each config has a row: a point for each seed, a bar at the mean, in another colour for the best. A
    vertical line is the mean of a yardstick.

    Args:
        results: of each map
        tags_of: the tags of the scores to draw
    """
    shown = {result.name: [tag for tag in tags_of(result) if best_row(result.configs, tag)] for result in results}
    drawn = [result for result in results if shown[result.name]]
    if not drawn:
        return empty_figure()
    columns = max(len(tags) for tags in shown.values())
    names = [shorten([row.label for row in result.configs], MAX_LENGTH) for result in drawn]
    width = LETTER_WIDTH * max(len(name) for each in names for name in each) + PANEL_WIDTH * columns
    heights = [MARGIN_HEIGHT + ROW_HEIGHT * len(each) for each in names]
    figure = new_figure(width, 0.8 + sum(heights))
    cast(ConstrainedLayoutEngine, figure.get_layout_engine()).set(w_pad=0.1, h_pad=0.08)
    panels = figure.add_gridspec(len(drawn), columns, height_ratios=heights)
    for line, (result, labels) in enumerate(zip(drawn, names)):
        labels = legible(labels, [f"config {number}" for number in range(1, len(labels) + 1)])
        for column, tag in enumerate(shown[result.name]):
            axes = figure.add_subplot(panels[line, column])
            _draw_panel(axes, result, tag)
            axes.set_yticks(range(len(labels)), labels if column == 0 else [""] * len(labels), parse_math=False)
            if column == 0:
                (title,) = legible([result.name], [f"map {line + 1}"])
                axes.set_ylabel(title, fontsize=11, parse_math=False)
    figure.legend(
        handles=list(_handles(drawn).values()), title="mean and single seeds; vertical lines: yardsticks",
        loc="outside lower center", ncols=4, frameon=False, fontsize=10, title_fontsize=10,
    )  # fmt: skip
    return figure


def _draw_panel(axes: Axes, result: MapResults, tag: str) -> None:
    best = best_row(result.configs, tag) if len(result.configs) > 1 else None
    for line, row in enumerate(result.configs):
        colour = BEST_COLOUR if best is not None and row.mean(tag) == best.mean(tag) else MAIN_COLOUR
        values = list(row.values(tag).values())
        axes.plot(values, [line] * len(values), color=colour, **SEED_STYLE)
        if values:
            axes.plot([row.mean(tag)], [line], color=colour, **MEAN_STYLE)
    for row, style in _lines(result):
        if isfinite(row.mean(tag)):
            axes.axvline(row.mean(tag), zorder=0, **style)
    finish_panel(axes, tag, len(result.configs))


def _lines(result: MapResults) -> list[tuple[Row, dict[str, Any]]]:
    """Return the yardsticks with the style of their lines: those that look alike elsewhere have lines of their own."""
    alike: dict[Look, list[Row]] = {}
    for row in result.yardsticks:
        alike.setdefault(look(row.features), []).append(row)
    return [
        (row, {"color": shown.colour, "linestyle": line, "linewidth": 1.4})
        for shown, rows in alike.items()
        for row, line in zip(rows, cycle(dict.fromkeys([shown.line, *LINE_STYLES])))
    ]


def _handles(results: list[MapResults]) -> dict[str, Line2D]:
    """Return label -> entry of the legend."""
    handles = {
        "mean": Line2D([], [], color=MAIN_COLOUR, label="mean", **MEAN_STYLE),
        "best mean": Line2D([], [], color=BEST_COLOUR, label="best mean", **MEAN_STYLE),
        "a seed": Line2D([], [], color=MAIN_COLOUR, label="a seed", **SEED_STYLE),
    }
    for row, style in (each for result in results for each in _lines(result)):
        handles[row.label] = Line2D([], [], label=row.label, **style)
    return handles
