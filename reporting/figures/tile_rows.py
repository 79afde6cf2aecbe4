"""An image of rows of tiles, one row for each role, with the label map beside them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MAX_COLUMNS = 8
MIN_SIDE = 48  # pixels in the image; smaller tiles are enlarged
GAP = 2  # pixels between tiles
LABEL_MAP_GAP = 16  # pixels between the tiles and the label map
TITLE_HEIGHT = 24  # pixels, of the titles above the columns
TEXT_SIZE = 16  # pixels
BACKGROUND = 255


def tile_rows(
    rgb: np.ndarray, label_map: np.ndarray, rows: list[tuple[str, np.ndarray]], column_titles: tuple[str, ...] = ()
) -> np.ndarray:
    """Return an image (H', W', 3) uint8: a row of tiles for each role, and the same pixels of the label map beside it.

    Args:
        rgb: (N, H, W, 3) uint8, the tiles of the batch
        label_map: (N, H, W, 3) uint8, their labels in the colours of the classes
        rows: name of each role ("anchor", "cluster 3") and the indices (n,) of its tiles, one for each column; only
            the first MAX_COLUMNS are shown
        column_titles: the loss of each column; may be empty
    """
    factor = -(-MIN_SIDE // min(rgb.shape[1:3]))
    font = ImageFont.load_default(TEXT_SIZE)
    margin = int(max((font.getlength(role) for role, _ in rows), default=0)) + 12
    rows = [(role, np.asarray(indices[:MAX_COLUMNS], dtype=int)) for role, indices in rows]
    columns = max((len(indices) for _, indices in rows), default=0)
    tiles, labels = (_block(pixels, rows, columns, factor) for pixels in (rgb, label_map))
    height, width = tiles.shape[:2]
    strip = np.full((TITLE_HEIGHT + height, margin + 2 * width + LABEL_MAP_GAP, 3), BACKGROUND, np.uint8)
    strip[TITLE_HEIGHT:, margin : margin + width] = tiles
    strip[TITLE_HEIGHT:, margin + width + LABEL_MAP_GAP :] = labels
    step = rgb.shape[2] * factor + GAP
    titles_above = [(margin + column * step, title) for column, title in enumerate(column_titles[:columns])]
    titles_above = [(4, "loss"), *titles_above] if column_titles else [(margin, "image")]
    row_step = rgb.shape[1] * factor + GAP
    names_beside = [(TITLE_HEIGHT + row * row_step + row_step / 2, role) for row, (role, _) in enumerate(rows)]
    return _write_texts(strip, [*titles_above, (margin + width + LABEL_MAP_GAP, "label map")], names_beside, font)


def _block(pixels: np.ndarray, rows: list[tuple[str, np.ndarray]], columns: int, factor: int) -> np.ndarray:
    """Return the pictures (N, H, W, 3) at the indices of each row, side by side, enlarged by a whole factor."""
    height, width = (side * factor + GAP for side in pixels.shape[1:3])
    block = np.full((max(0, len(rows) * height - GAP), max(0, columns * width - GAP), 3), BACKGROUND, np.uint8)
    for row, (_, indices) in enumerate(rows):
        for column, picture in enumerate(pixels[indices]):
            enlarged = picture.repeat(factor, axis=0).repeat(factor, axis=1)
            top, left = row * height, column * width
            block[top : top + len(enlarged), left : left + enlarged.shape[1]] = enlarged
    return block


def _write_texts(
    strip: np.ndarray,
    titles_above: list[tuple[float, str]],
    names_beside: list[tuple[float, str]],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> np.ndarray:
    image = Image.fromarray(strip)
    draw = ImageDraw.Draw(image)
    for left, text in titles_above:
        draw.text((left, TITLE_HEIGHT / 2), text, fill="black", font=font, anchor="lm")
    for middle, text in names_beside:
        draw.text((4, middle), text, fill="black", font=font, anchor="lm")
    return np.asarray(image)
