"""Scores of several runs beside each other."""

from math import ceil, isfinite, sqrt

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from config import LESS_IS_BETTER
from reporting.columns import SPREAD, heading
from reporting.comparison.rows import Line, shortened
from reporting.figures.style import BASELINE_COLOURS, INK, UNLIKE, new_figure

PANEL, ROW, ABOVE = 2.3, 0.24, 0.95  # inches: width of a panel, height of a row, and of what lies above and below rows
LETTER = 0.085  # inches, of a run's name
MAX_LENGTH = 30  # letters of a run's name
BEST = UNLIKE
# kind of baseline -> marker and colour; chance has none: its distance would squeeze everything else together
BASELINES = {name: (marker, BASELINE_COLOURS[name]) for name, marker in (("untrained", "o"), ("band_statistics", "s"))}


def comparison_figure(lines: list[Line], tags: list[str]) -> Figure:
    """A panel for each score that any run has, a row for each run and, below them, for each different baseline.

    A point is the mean and its bar the standard deviation; thin upright lines are the baselines of the
    run in whose row they stand. Where a run lacks a score, nothing is drawn.
    """
    shown = [line for line in lines if line.is_run or line.rows[0].features in BASELINES]
    tags = [tag for tag in tags if any(line.values(tag) for line in shown if line.is_run)]
    if not tags:
        return _empty()
    height = ABOVE + ROW * len(shown)
    columns = min(len(tags), max(4, ceil(sqrt(1.3 * len(tags) * height / PANEL))))
    rows = ceil(len(tags) / columns)
    columns = ceil(len(tags) / rows)
    labels = shortened([line.label for line in shown], MAX_LENGTH)
    figure = new_figure(LETTER * max(map(len, labels)) + PANEL * columns, 0.6 + height * rows)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    for place, tag in enumerate(tags):
        axes = figure.add_subplot(rows, columns, place + 1)
        _panel(axes, shown, tag)
        axes.set_yticks(range(len(shown)), labels if place % columns == 0 else [""] * len(shown), parse_math=False)
    _legend(figure, shown)
    return figure


def _panel(axes: Axes, lines: list[Line], tag: str):
    group, metric, *model = tag.split("/")
    less = metric in LESS_IS_BETTER
    means = [line.values(tag)[0].mean for line in lines if line.is_run and line.values(tag)]
    best = min(means) if less else max(means)
    places = {line.label: place for place, line in enumerate(lines) if line.is_run}
    for place, line in enumerate(lines):
        for score in line.values(tag):
            style = _style(line.rows[0].features, score.mean == best and len(means) > 1)
            axes.errorbar(score.mean, place, xerr=score.std if isfinite(score.std) else None, **style)
        if not line.is_run:
            _guides(axes, line, tag, places)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    about = ", ".join([group.replace("_", " "), *model, *(["less is better"] if less else [])])
    axes.set_title(metric, fontsize=11, loc="left", pad=17)
    axes.annotate(about, (0, 1), (0, 4), "axes fraction", "offset points", fontsize=9, color="0.35")
    _quiet(axes, runs=len(places))


def _style(features: str, is_best: bool) -> dict:
    if features in BASELINES:
        marker, colour = BASELINES[features]
        return {"fmt": marker, "color": colour, "markerfacecolor": "white", "markersize": 6, "elinewidth": 1.2}
    return {"fmt": "D" if is_best else "o", "color": BEST if is_best else INK, "markersize": 6, "elinewidth": 1.8}


def _guides(axes: Axes, line: Line, tag: str, places: dict[str, int]):
    """Baselines as upright lines through the rows of the runs that they belong to."""
    _, colour = BASELINES[line.rows[0].features]
    for row in line.rows:
        for run in row.runs if tag in row.scores else []:
            if tag in run.scores["trained"]:
                place, style = places[run.name], {"color": colour, "linewidth": 1, "alpha": 0.7, "zorder": 0}
                axes.vlines(row.scores[tag].mean, place - 0.5, place + 0.5, **style)


def _quiet(axes: Axes, runs: int):
    """Take away from a panel what tells nothing, and part the baselines from the runs."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=10)
    axes.tick_params(axis="x", labelsize=9)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.axhline(runs - 0.5, color="0.75", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.margins(x=0.08)


def _legend(figure: Figure, lines: list[Line]):
    kinds = dict.fromkeys(line.rows[0].features for line in lines)
    handles = [_handle(kind, "run" if kind == "trained" else heading(kind)) for kind in kinds]
    if sum(line.is_run for line in lines) > 1:
        handles.insert(1, _handle("trained", "best run", is_best=True))
    title = f"last evaluation: mean and {SPREAD}\nupright lines: the baselines of a run"
    figure.legend(
        handles=handles, title=title, loc="outside lower center", ncols=4, frameon=False, fontsize=10, title_fontsize=10
    )


def _handle(features: str, label: str, is_best: bool = False) -> Line2D:
    style = _style(features, is_best)
    del style["elinewidth"]
    return Line2D([], [], marker=style.pop("fmt"), linestyle="", label=label, **style)


def _empty() -> Figure:
    figure = new_figure(4, 3)
    axes = figure.add_subplot(xticks=[], yticks=[])
    axes.text(0.5, 0.5, "no score has a value", ha="center", va="center")
    return figure
