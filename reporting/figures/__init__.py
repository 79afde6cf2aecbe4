"""Pictures of a run: functions that take arrays and give a matplotlib Figure, or an image as an array.

They use matplotlib's objects and never pyplot, so they work in any thread and without a display.
"""

from reporting.figures.confusion import confusion_matrix
from reporting.figures.embedding import umap
from reporting.figures.proportions import proportions
from reporting.figures.sampling import Overview, sampling_map
from reporting.figures.strip import batch_strip

__all__ = ["Overview", "batch_strip", "confusion_matrix", "proportions", "sampling_map", "umap"]
