"""What stands for the label map of a run that has none."""

import numpy as np

from dataProcessors.legends.legend import NO_LABEL, Legend
from dataProcessors.prepared.blocks import Summary, block_shape
from dataProcessors.rasters.grid import Window


class NoLabels:
    """A label map without classes, with the interface of LabelReader: every pixel is unlabelled.

    Whoever reads labels needs no case for it: proportions have no columns (K = 0), and every tile has the label -1.

    Args:
        window: the part of the image in use
    """

    legend = Legend("none", (), ())
    path = key = ""

    def __init__(self, window: Window):
        self.summary = Summary(window, np.zeros((0, *block_shape(window)), np.uint16))

    def read(self, positions: np.ndarray, size: int) -> np.ndarray:
        """Return NO_LABEL for every pixel: (N, 1, size, size) uint8."""
        return np.full((len(positions), 1, size, size), NO_LABEL, np.uint8)

    def proportions(self, positions: np.ndarray, size: int) -> np.ndarray:
        """Return the proportions (N, 0) float32 of tiles."""
        return np.zeros((len(positions), 0), np.float32)

    def fingerprints(self) -> dict[str, dict]:
        """Return {}: there is no file."""
        return {}
