"""What all figures share: colours, names of classes, and the way to an array or a file."""

import io
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from dataProcessors.labels import Legend
from storage import whole_file

DPI = 100
NO_LABEL, NO_LABEL_COLOUR = "no label", (127, 127, 127)  # of the label -1, so both stand last among the classes
# Distinguishable by colour-blind people (Okabe & Ito 2008, "Color Universal Design"); without the two dark ones of the
# eight, which would be lost on a map.
ROLE_COLOURS = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00", "#FFFFFF")
INK = "#0072B2"  # the one colour of a plot that needs no other
SWATCH = {"s": 60, "marker": "s", "edgecolors": "black", "linewidths": 0.5, "clip_on": False}  # of a class's colour


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of width x height inches that arranges its parts itself."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def class_colours(legend: Legend) -> np.ndarray:
    """Colours (K + 1, 3) of the legend's classes and of "no label", uint8."""
    return np.array([*legend.colors, NO_LABEL_COLOUR], np.uint8)


def class_names(legend: Legend, width: int) -> list[str]:
    """The K + 1 names of the legend's classes and "no label", in at most two lines of `width` letters each."""
    names = [*legend.names, NO_LABEL]
    return [textwrap.fill(name, width, max_lines=2, placeholder=" …", break_on_hyphens=False) for name in names]


def image_of(figure: Figure) -> np.ndarray:
    """The figure as an image (H, W, 3) uint8, without empty margins."""
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return np.asarray(Image.open(file).convert("RGB"))


def save(figure: Figure, path: Path):
    """Write the figure, without empty margins; it appears whole."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], bbox_inches="tight")
