"""What all figures share: colours, names of classes, and the way to an array or a file."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dataProcessors.legends.legend import Legend
from storage import whole_file

DPI = 100
NO_LABEL, NO_LABEL_COLOUR = "no label", (127, 127, 127)  # of the label -1, so both stand last among the classes
# Distinguishable by colour-blind people (Okabe & Ito 2008, "Color Universal Design"); without the two dark ones of the
# eight, which would be lost on a map, and without white, in which reserved cells are drawn.
ROLE_COLOURS = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00")
BASELINE_COLOURS = {"untrained": "#009E73", "band_statistics": "#CC79A7", "chance": "#666666"}
INK = "#0072B2"  # the one colour of a plot that needs no other
UNLIKE = "#D55E00"  # beside it: what should not be, such as another class
SWATCH = {"s": 60, "marker": "s", "edgecolors": "black", "linewidths": 0.5, "clip_on": False}  # of a class's colour


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of width x height inches that arranges its parts itself."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def class_colours(legend: Legend) -> np.ndarray:
    """Colours (K + 1, 3) of the legend's classes and of "no label", uint8."""
    return np.array([*legend.colors, NO_LABEL_COLOUR], np.uint8)


def label_picture(classes: np.ndarray, legend: Legend) -> np.ndarray:
    """Class indices (...,) uint8 of a label map -> their colours (..., 3) uint8; whatever is no class is "no label"."""
    return class_colours(legend)[np.minimum(classes, len(legend))]


def class_names(legend: Legend, width: int, lines: int = 2) -> list[str]:
    """The K + 1 names of the legend's classes and "no label", in at most so many lines of `width` letters each.

    A dollar sign is escaped: matplotlib would take what stands between two of them for a formula.
    """
    wrapped = [
        textwrap.fill(name, width, max_lines=lines, placeholder=" …", break_on_hyphens=False)
        for name in (*legend.names, NO_LABEL)
    ]
    return [name.replace("$", r"\$") for name in wrapped]


def save(figure: Figure, path: Path, formats: tuple[str, ...] = ("png", "svg")):
    """Write the figure, without empty margins, once in each format: path.png and path.svg. Files appear whole.

    Its parts are arranged for the first format, and lie as they are in the others.
    """
    for kind in formats:
        with whole_file(path.with_name(f"{path.name}.{kind}")) as temporary:
            figure.savefig(temporary, format=kind, bbox_inches="tight")
        figure.set_layout_engine("none")  # arranging takes as long as drawing
