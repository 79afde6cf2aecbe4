"""Thumbnails: small pictures of tiles, framed in the colours of their classes."""

import numpy as np
from PIL import Image

from dataProcessors.legends.legend import Legend
from reporting.figures.style import class_colours

SIDE = 32  # pixels of the tile itself
BORDER = 3  # pixels of the frame


def thumbnails(
    rgb: np.ndarray, labels: np.ndarray, legend: Legend, side: int = SIDE, border: int = BORDER
) -> np.ndarray:
    """Scale tiles (N, H, W, 3) uint8 and frame them in the colours of their labels (N,), -1 if a tile has no label.

    Returns:
        (N, S, S, 3) uint8 with S = side + 2 border
    """
    framed = np.empty((len(rgb), side + 2 * border, side + 2 * border, 3), np.uint8)
    framed[:] = class_colours(legend)[labels][:, None, None]
    for frame, tile in zip(framed, rgb):
        small = Image.fromarray(tile).resize((side, side), Image.Resampling.BOX)
        frame[border:-border, border:-border] = np.asarray(small)
    return framed
