"""The figures of a run: functions that take arrays and return a matplotlib Figure, or an image as an array.

They use matplotlib's Figure class and never pyplot, so they work in any thread and without a display.
"""

from reporting.figures.class_map import class_map
from reporting.figures.confusion import confusion_matrix
from reporting.figures.distances import distances
from reporting.figures.embedding import umap, umap_3d, umap_layout, umap_tiles
from reporting.figures.neighbours import choose_queries, neighbours
from reporting.figures.proportions import proportions
from reporting.figures.sampling import Overview, sampling_map
from reporting.figures.segmentation import class_iou_chart, segmentation_map
from reporting.figures.tile_rows import tile_rows

__all__ = [
    "Overview",
    "choose_queries",
    "class_iou_chart",
    "class_map",
    "confusion_matrix",
    "distances",
    "neighbours",
    "proportions",
    "sampling_map",
    "segmentation_map",
    "tile_rows",
    "umap",
    "umap_3d",
    "umap_layout",
    "umap_tiles",
]
