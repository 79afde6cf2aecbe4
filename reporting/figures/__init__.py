"""Pictures of a run: functions that take arrays and give a matplotlib Figure, or an image as an array.

They use matplotlib's objects and never pyplot, so they work in any thread and without a display.
"""

from reporting.figures.confusion import confusion_matrix
from reporting.figures.distances import distances
from reporting.figures.embedding import layout, umap, umap_3d, umap_tiles
from reporting.figures.neighbours import neighbours, queries
from reporting.figures.proportions import proportions
from reporting.figures.sampling import Overview, sampling_map
from reporting.figures.segmentation import class_scores, segmented_region
from reporting.figures.strip import tile_rows

__all__ = [
    "Overview",
    "class_scores",
    "confusion_matrix",
    "distances",
    "layout",
    "neighbours",
    "proportions",
    "queries",
    "sampling_map",
    "segmented_region",
    "tile_rows",
    "umap",
    "umap_3d",
    "umap_tiles",
]
