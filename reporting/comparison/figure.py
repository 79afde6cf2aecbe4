"""The figure that compares the scores of several runs."""

from math import ceil, isfinite, sqrt
from typing import cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from evaluation.differences import less_is_better
from reporting.comparison.rows import TableRow
from reporting.feature_sets import SPREAD_TEXT, TRAINED, feature_title, is_yardstick, look
from reporting.figures.letters import legible
from reporting.figures.style import CONTRAST_COLOUR, MAIN_COLOUR, new_figure
from reporting.tables import shorten

PANEL_WIDTH, ROW_HEIGHT, MARGIN_HEIGHT = 2.3, 0.24, 0.95  # inches: of a panel; of a row; above and below all rows
LETTER_WIDTH = 0.085  # inches, of a letter in a run's name
MAX_LENGTH = 30  # letters of a run's name
BEST_COLOUR = CONTRAST_COLOUR


def comparison_figure(rows: list[TableRow], tags: list[str]) -> Figure:
    """Draw a panel for each score that any run has; it has a row for each run and, below, for each different yardstick.

    Chance is not drawn: it is far away and would push all others together.

    A point is the mean and its bar the standard deviation; a thin vertical line in the row of a run is a yardstick of
    this run. If a run does not have a score, its row in this panel is empty.
    """
    shown = [row for row in rows if row.is_run or is_yardstick(row.feature_sets[0].features)]
    tags = [tag for tag in tags if any(row.finite_scores(tag) for row in shown if row.is_run)]
    if not tags:
        return empty_figure()
    height = MARGIN_HEIGHT + ROW_HEIGHT * len(shown)
    columns = min(len(tags), max(4, ceil(sqrt(1.3 * len(tags) * height / PANEL_WIDTH))))
    grid_rows = ceil(len(tags) / columns)
    columns = ceil(len(tags) / grid_rows)
    labels = shorten([row.label for row in shown], MAX_LENGTH)
    labels = legible(labels, [f"run {number}" for number in range(1, len(labels) + 1)])
    figure = new_figure(LETTER_WIDTH * max(map(len, labels)) + PANEL_WIDTH * columns, 0.6 + height * grid_rows)
    cast(ConstrainedLayoutEngine, figure.get_layout_engine()).set(w_pad=0.1, h_pad=0.08)
    for index, tag in enumerate(tags):
        axes = figure.add_subplot(grid_rows, columns, index + 1)
        _draw_panel(axes, shown, tag)
        axes.set_yticks(range(len(shown)), labels if index % columns == 0 else [""] * len(shown), parse_math=False)
    _add_legend(figure, shown)
    return figure


def _draw_panel(axes: Axes, rows: list[TableRow], tag: str) -> None:
    means = [row.finite_scores(tag)[0].mean for row in rows if row.is_run and row.finite_scores(tag)]
    best = min(means) if less_is_better(tag) else max(means)
    lines = {row.label: line for line, row in enumerate(rows) if row.is_run}
    for line, row in enumerate(rows):
        for score in row.finite_scores(tag):
            style = _style(row.feature_sets[0].features, score.mean == best and len(means) > 1)
            axes.errorbar(score.mean, line, xerr=score.std if isfinite(score.std) else None, **style)
        if not row.is_run:
            _draw_yardsticks(axes, row, tag, lines)
    axes.axhline(len(lines) - 0.5, color="0.75", linewidth=0.8)  # between runs and yardsticks
    finish_panel(axes, tag, len(rows))


def _style(features: str, is_best: bool) -> dict:
    if is_yardstick(features):
        colour, _, marker = look(features)
        return {"fmt": marker, "color": colour, "markerfacecolor": "white", "markersize": 6, "elinewidth": 1.2}
    return {
        "fmt": "D" if is_best else "o",
        "color": BEST_COLOUR if is_best else MAIN_COLOUR,
        "markersize": 6,
        "elinewidth": 1.8,
    }


def _draw_yardsticks(axes: Axes, row: TableRow, tag: str, lines: dict[str, int]) -> None:
    """Draw the yardsticks as vertical lines through the rows of their runs."""
    colour = look(row.feature_sets[0].features).colour
    for feature_set in row.feature_sets:
        for run in feature_set.runs if tag in feature_set.scores else []:
            if tag in run.scores[TRAINED]:
                mean, line = feature_set.scores[tag].mean, lines[run.name]
                axes.vlines(mean, line - 0.5, line + 0.5, color=colour, linewidth=1, alpha=0.7, zorder=0)


def finish_panel(axes: Axes, tag: str, rows: int) -> None:
    """Write what score a panel shows above it, and remove spines and ticks without information; rows: their number."""
    group, metric, *model = tag.split("/")
    subtitle = ", ".join([group.replace("_", " "), *model, *(["less is better"] if less_is_better(tag) else [])])
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_title(metric, fontsize=11, loc="left", pad=17)
    axes.annotate(subtitle, (0, 1), (0, 4), "axes fraction", "offset points", fontsize=9, color="0.35")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=10)
    axes.tick_params(axis="x", labelsize=9)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.margins(x=0.08)


def _add_legend(figure: Figure, rows: list[TableRow]) -> None:
    kinds = dict.fromkeys(row.feature_sets[0].features for row in rows)
    handles = [_handle(kind, "run" if kind == TRAINED else feature_title(kind)) for kind in kinds]
    if sum(row.is_run for row in rows) > 1:
        handles.insert(1, _handle(TRAINED, "best run", is_best=True))
    title = f"last evaluation: mean and {SPREAD_TEXT}\nvertical lines: yardsticks of the run"
    figure.legend(
        handles=handles, title=title, loc="outside lower center", ncols=4, frameon=False, fontsize=10, title_fontsize=10
    )


def _handle(features: str, label: str, is_best: bool = False) -> Line2D:
    style = _style(features, is_best)
    del style["elinewidth"]
    return Line2D([], [], marker=style.pop("fmt"), linestyle="", label=label, **style)


def empty_figure() -> Figure:
    """Return the figure that says that there is nothing to draw."""
    figure = new_figure(4, 3)
    axes = figure.add_subplot(xticks=[], yticks=[])
    axes.text(0.5, 0.5, "no score has a value", ha="center", va="center")
    return figure
