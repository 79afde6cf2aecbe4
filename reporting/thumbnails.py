"""Small pictures of tiles for the embedding projector."""

import numpy as np
from PIL import Image

from dataProcessors.labels import Legend
from reporting.figures.style import class_colours

SIDE = 32  # pixels of the tile itself
BORDER = 3  # pixels in the colour of the tile's label


def thumbnails(rgb: np.ndarray, labels: np.ndarray, legend: Legend) -> np.ndarray:
    """Tiles (N, H, W, 3) uint8, scaled and framed in the colour of their labels (N,), -1 where there is none.

    Returns (N, 38, 38, 3) uint8.
    """
    framed = np.empty((len(rgb), SIDE + 2 * BORDER, SIDE + 2 * BORDER, 3), np.uint8)
    framed[:] = class_colours(legend)[labels][:, None, None]
    for frame, tile in zip(framed, rgb):
        frame[BORDER:-BORDER, BORDER:-BORDER] = Image.fromarray(tile).resize((SIDE, SIDE), Image.Resampling.BOX)
    return framed
