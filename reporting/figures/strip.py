"""The tiles of a batch as a picture."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MOST_COLUMNS = 12
SMALLEST_SIDE = 48  # pixels on the picture; smaller tiles are enlarged
GAP = 2
TEXT_SIZE = 16
BACKGROUND = 255


def batch_strip(rgb: np.ndarray, rows: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """Tiles of a batch, one row for each role, its name at the left, at most twelve columns: (H', W', 3) uint8.

    Args:
        rgb: (N, H, W, 3) uint8, the tiles of the batch
        rows: name of each role ("anchor", "cluster 3") and the indices (n,) of its tiles, in the order of the columns
    """
    factor = -(-SMALLEST_SIDE // min(rgb.shape[1:3]))
    height, width = (side * factor + GAP for side in rgb.shape[1:3])
    font = ImageFont.load_default(TEXT_SIZE)
    margin = int(max(font.getlength(role) for role, _ in rows)) + 12
    columns = min(MOST_COLUMNS, max(len(indices) for _, indices in rows))
    strip = np.full((len(rows) * height - GAP, margin + columns * width - GAP, 3), BACKGROUND, np.uint8)
    for row, (_, indices) in enumerate(rows):
        for column, tile in enumerate(rgb[np.asarray(indices[:columns], dtype=int)]):
            top, left = row * height, margin + column * width
            enlarged = tile.repeat(factor, axis=0).repeat(factor, axis=1)
            strip[top : top + len(enlarged), left : left + enlarged.shape[1]] = enlarged
    return _with_names(strip, [role for role, _ in rows], height, font)


def _with_names(strip: np.ndarray, names: list[str], height: int, font: ImageFont.FreeTypeFont) -> np.ndarray:
    image = Image.fromarray(strip)
    draw = ImageDraw.Draw(image)
    for row, name in enumerate(names):
        draw.text((4, row * height + height / 2), name, fill="black", font=font, anchor="lm")
    return np.asarray(image)
