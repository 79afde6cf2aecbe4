"""The land cover of a whole map beside the image and the label map."""

import numpy as np
from matplotlib.figure import Figure

from dataProcessors.legends.legend import Legend
from reporting.figures.style import class_patches, label_picture, new_figure

PANEL_WIDTH = 5.6  # inches
LEGEND_COLUMNS = 6


def class_map(rgb: np.ndarray, truth: np.ndarray | None, predicted: np.ndarray, legend: Legend, title: str) -> Figure:
    """Draw image, label map and land cover side by side.

    Args:
        rgb: (H, W, 3) uint8
        truth: (H, W) uint8 class indices of the label map, others where it has none; None: there is no label map
        predicted: (H, W) uint8 class indices, as `truth`
        legend: of the classes
        title: of the figure
    """
    classes = {"land cover": predicted} if truth is None else {"label map": truth, "land cover": predicted}
    panels = {"image": rgb} | {name: label_picture(each, legend) for name, each in classes.items()}
    height, width = predicted.shape
    figure = new_figure(len(panels) * PANEL_WIDTH, PANEL_WIDTH * min(height / width, 2) + 1.2)
    for number, (name, picture) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), number, title=name, xticks=[], yticks=[])
        axes.imshow(picture, interpolation="nearest")
    figure.suptitle(title)
    occurring = np.unique(np.stack(list(classes.values())))
    handles = class_patches(legend, occurring, bool((occurring >= len(legend)).any()))
    figure.legend(handles=handles, loc="outside lower center", ncols=LEGEND_COLUMNS, fontsize=9)
    return figure
