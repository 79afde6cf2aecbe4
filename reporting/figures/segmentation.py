"""The segmentation of a region beside the label map, and the IoU of each class."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dataProcessors.legends.legend import Legend
from evaluation.segmentation import COARSENED
from reporting.feature_sets import feature_title, look
from reporting.figures.sampling import CELL_TILES, outline_squares
from reporting.figures.style import (
    CONTRAST_COLOUR,
    MAIN_COLOUR,
    NO_LABEL_COLOUR,
    class_colours,
    class_names,
    class_patches,
    label_picture,
    new_figure,
)

PANEL_WIDTH = 4.6  # inches
GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])  # of red, green and blue in the brightness of a pixel (ITU-R BT.601)
LEGEND_COLUMNS, MARKER_COLUMNS = 6, 4  # of the legends of map and chart
HOLLOW_MARKER = {"facecolors": "white", "linewidths": 1.6, "s": 44}
COARSENED_MARKER = {"marker": "|", "color": MAIN_COLOUR, "s": 220, "linewidths": 3}


def segmentation_map(
    rgb: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    legend: Legend,
    reserved: np.ndarray,
    size: int,
    title: str,
) -> Figure:
    """Draw image, label map, prediction and errors of a region side by side, with outlines of the reserved cells.

    Args:
        rgb: (H, W, 3) uint8
        truth: (H, W) uint8 class indices; pixels without a class are grey
        predicted: (H, W) uint8 class indices, as `truth`
        legend: of the classes
        reserved: (M, 2) upper-left pixel of each reserved cell, counted from that of the region
        size: side of a tile in pixels
        title: of the figure
    """
    height, width = truth.shape
    figure = new_figure(4 * PANEL_WIDTH, PANEL_WIDTH * min(height / width, 2) + 1.4)
    counted = (truth < len(legend)) & (predicted < len(legend))
    wrong = counted & (truth != predicted)
    share = f" ({wrong.sum() / counted.sum():.1%} of the pixels)" if counted.any() else ""
    panels = {
        "image": rgb,
        "label map": label_picture(truth, legend),
        "prediction": label_picture(predicted, legend),
        f"errors{share}": _error_picture(rgb, counted, wrong),
    }
    inside = reserved[((reserved > -CELL_TILES * size) & (reserved < (width, height))).all(axis=1)]
    for number, (name, picture) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, 4, number, title=name, xticks=[], yticks=[])
        axes.imshow(picture, interpolation="nearest", extent=(0, width, height, 0))
        axes.autoscale(False)
        outline_squares(axes, inside, CELL_TILES * size, "black", linewidth=2.2)
        outline_squares(axes, inside, CELL_TILES * size, "white", linewidth=1)
    figure.suptitle(title)
    _add_legend(figure, legend, np.union1d(truth, predicted), not counted.all())
    return figure


def _error_picture(rgb: np.ndarray, counted: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Return the image in light grey, wrong pixels in one colour, pixels without label or prediction in grey."""
    bright = 96 + (rgb @ GREY_WEIGHTS) * 0.62
    picture = np.repeat(bright[..., None], 3, axis=-1).astype(np.uint8)
    picture[~counted] = NO_LABEL_COLOUR
    picture[wrong] = [int(CONTRAST_COLOUR[i : i + 2], 16) for i in (1, 3, 5)]
    return picture


def _add_legend(figure: Figure, legend: Legend, classes: np.ndarray, has_unlabelled: bool) -> None:
    """Add a legend below: the classes that occur, wrong pixels and reserved cells."""
    handles = class_patches(legend, classes, has_unlabelled)
    handles.append(Patch(facecolor=CONTRAST_COLOUR, label="wrong"))
    handles.append(Patch(facecolor="white", edgecolor="black", label="outlined: reserved cells"))
    figure.legend(handles=handles, loc="outside lower center", ncols=LEGEND_COLUMNS, fontsize=9)


def class_iou_chart(iou: np.ndarray, other_iou: dict[str, np.ndarray], legend: Legend, title: str) -> Figure:
    """Draw a bar for the IoU of each class that occurs, and markers for the IoU with other features.

    Args:
        iou: (K,) in [0, 1], NaN if a class does not occur
        other_iou: features, yardsticks or coarse labels -> the same for these
        legend: of the classes
        title: of the figure
    """
    shown = np.flatnonzero(np.isfinite([iou, *other_iou.values()]).any(axis=0))
    figure = new_figure(8, 1.8 + 0.36 * max(1, len(shown)))
    axes = figure.add_subplot(xlim=(0, 1), xlabel="intersection over union")
    figure.suptitle(title, fontsize=11)
    names, colours, bars = class_names(legend, width=30, lines=1), class_colours(legend) / 255, np.arange(len(shown))
    axes.barh(bars, np.nan_to_num(iou[shown]), color=colours[shown], edgecolor="black", linewidth=0.6)
    for features, values in other_iou.items():
        marker = _marker(features)
        axes.scatter(values[shown], bars, label=feature_title(features), clip_on=False, zorder=3, **marker)
    axes.set_yticks(bars, [names[c] for c in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    _write_values(axes, np.nan_to_num(iou[shown]))
    figure.legend(loc="outside lower center", fontsize=9, ncols=MARKER_COLUMNS)
    return figure


def _marker(features: str) -> dict[str, Any]:
    """Return the style of a feature set's marker beside the bars of the trained network."""
    if features == COARSENED:
        return COARSENED_MARKER
    colour, _, marker = look(features)
    return {"marker": marker, "edgecolors": colour, **HOLLOW_MARKER}


def _write_values(axes: Axes, values: np.ndarray) -> None:
    for bar, value in enumerate(values):
        axes.text(1.01, bar, f"{value:.2f}", transform=axes.get_yaxis_transform(), va="center", fontsize=9)
