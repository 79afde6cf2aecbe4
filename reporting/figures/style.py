"""Shared by all figures: colours, class names, and conversion to an array or a file."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dataProcessors.legends.legend import Legend
from reporting.figures.letters import legible
from storage import atomic_write

DPI = 100
NO_LABEL, NO_LABEL_COLOUR = "no label", (127, 127, 127)  # of the label -1; index -1 finds them after all classes
# Colours that colour-blind people can distinguish (Okabe & Ito 2008, "Color Universal Design"), without the two dark
# ones of the eight, which are hard to see on a map; white is not among them, because reserved cells are white.
ROLE_COLOURS = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00")
MAIN_COLOUR = "#0072B2"  # of figures that need one colour only
CONTRAST_COLOUR = "#D55E00"  # beside it, for what is different or wrong, such as another class
# a square in the colour of a class
SWATCH_STYLE: dict[str, Any] = {"s": 60, "marker": "s", "edgecolors": "black", "linewidths": 0.5, "clip_on": False}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of width x height inches that arranges its panels itself."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def class_colours(legend: Legend) -> np.ndarray:
    """Return the colours (K + 1, 3) uint8 of the legend's classes and of "no label"."""
    return np.array([*legend.colors, NO_LABEL_COLOUR], np.uint8)


def label_picture(classes: np.ndarray, legend: Legend) -> np.ndarray:
    """Convert class indices (...,) uint8 to colours (..., 3) uint8; other indices get that of "no label"."""
    return class_colours(legend)[np.minimum(classes, len(legend))]


def class_names(legend: Legend, width: int, lines: int = 2) -> list[str]:
    """Return the K + 1 names of the legend's classes and "no label", each in at most `lines` lines of `width` letters.

    Dollar signs are escaped, because matplotlib reads text between two of them as a formula. A class whose name no font
    can show is called by its code, or else by its number in the legend.
    """
    numbers = [f"class {number}" for number in legend.codes or range(1, len(legend) + 1)]
    names = legible([*legend.names, NO_LABEL], [*numbers, NO_LABEL])
    wrapped = [textwrap.fill(name, width, max_lines=lines, placeholder=" …", break_on_hyphens=False) for name in names]
    return [name.replace("$", r"\$") for name in wrapped]


def class_patches(legend: Legend, classes: np.ndarray, has_unlabelled: bool) -> list[Patch]:
    """Return the entries of a figure's legend for classes (n,) that occur, and for "no label" if that does.

    Indices beyond the legend's classes are left out.
    """
    names, colours = class_names(legend, width=34, lines=1), class_colours(legend) / 255
    shown = [c for c in classes if c < len(legend)] + ([len(legend)] if has_unlabelled else [])
    return [Patch(facecolor=colours[c], edgecolor="black", linewidth=0.5, label=names[c]) for c in shown]


def save_figure(figure: Figure, path: Path, formats: tuple[str, ...] = ("png", "svg")) -> None:
    """Write the figure in each format, path.png and path.svg, without empty margins. No reader sees half a file.

    Its parts are arranged for the first format, and stay where they are in the others.
    """
    for kind in formats:
        with atomic_write(path.with_name(f"{path.name}.{kind}")) as temporary:
            figure.savefig(temporary, format=kind, bbox_inches="tight")
        figure.set_layout_engine("none")  # arranging takes as long as drawing
