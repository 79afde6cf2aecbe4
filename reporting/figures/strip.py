"""Tiles in rows, with the label map beside them, as a picture."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MAX_COLUMNS = 8
MIN_SIDE = 48  # pixels on the picture; smaller tiles are enlarged
GAP = 2
BETWEEN = 16  # pixels between the tiles and their labels
HEAD = 24  # pixels above, for what the columns are
TEXT_SIZE = 16
BACKGROUND = 255


def tile_rows(
    rgb: np.ndarray, label_map: np.ndarray, rows: list[tuple[str, np.ndarray]], heads: tuple[str, ...] = ()
) -> np.ndarray:
    """Tiles of a batch, one row for each role, and the same places on the label map to their right: (H', W', 3) uint8.

    Args:
        rgb: (N, H, W, 3) uint8, the tiles of the batch
        label_map: (N, H, W, 3) uint8, the same places in the colours of their classes
        rows: name of each role ("anchor", "cluster 3") and the indices (n,) of its tiles; of these at most eight are
            shown, in the order of the columns
        heads: the loss of each column, to stand above it
    """
    factor = -(-MIN_SIDE // min(rgb.shape[1:3]))
    font = ImageFont.load_default(TEXT_SIZE)
    margin = int(max((font.getlength(role) for role, _ in rows), default=0)) + 12
    rows = [(role, np.asarray(indices[:MAX_COLUMNS], dtype=int)) for role, indices in rows]
    columns = max((len(indices) for _, indices in rows), default=0)
    tiles, labels = (_block(pixels, rows, columns, factor) for pixels in (rgb, label_map))
    height, width = tiles.shape[:2]
    strip = np.full((HEAD + height, margin + 2 * width + BETWEEN, 3), BACKGROUND, np.uint8)
    strip[HEAD:, margin : margin + width] = tiles
    strip[HEAD:, margin + width + BETWEEN :] = labels
    step = rgb.shape[2] * factor + GAP
    above = [(margin + column * step, head) for column, head in enumerate(heads[:columns])]
    above = [(4, "loss"), *above] if heads else [(margin, "image")]
    row_step = rgb.shape[1] * factor + GAP
    beside = [(HEAD + row * row_step + row_step / 2, role) for row, (role, _) in enumerate(rows)]
    return _written(strip, [*above, (margin + width + BETWEEN, "label map")], beside, font)


def _block(pixels: np.ndarray, rows: list[tuple[str, np.ndarray]], columns: int, factor: int) -> np.ndarray:
    """The pictures (N, H, W, 3) at the indices of each row, side by side, each enlarged by a whole factor."""
    height, width = (side * factor + GAP for side in pixels.shape[1:3])
    block = np.full((max(0, len(rows) * height - GAP), max(0, columns * width - GAP), 3), BACKGROUND, np.uint8)
    for row, (_, indices) in enumerate(rows):
        for column, picture in enumerate(pixels[indices]):
            enlarged = picture.repeat(factor, axis=0).repeat(factor, axis=1)
            top, left = row * height, column * width
            block[top : top + len(enlarged), left : left + enlarged.shape[1]] = enlarged
    return block


def _written(strip: np.ndarray, above: list[tuple[float, str]], beside: list[tuple[float, str]], font) -> np.ndarray:
    image = Image.fromarray(strip)
    draw = ImageDraw.Draw(image)
    for left, text in above:
        draw.text((left, HEAD / 2), text, fill="black", font=font, anchor="lm")
    for middle, text in beside:
        draw.text((4, middle), text, fill="black", font=font, anchor="lm")
    return np.asarray(image)
