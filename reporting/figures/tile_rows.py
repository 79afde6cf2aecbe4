"""An image of rows of tiles, one row for each role, with other pictures of the same tiles beside them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MAX_COLUMNS = 8
MIN_SIDE = 48  # pixels in the image; smaller tiles are enlarged
GAP = 2  # pixels between tiles
PICTURES_GAP = 16  # pixels between the tiles and the next picture of them, such as the label map
TITLE_HEIGHT = 24  # pixels, of the titles above the columns
TEXT_SIZE = 16  # pixels
BACKGROUND = 255


def tile_rows(
    pictures: dict[str, np.ndarray], rows: list[tuple[str, np.ndarray]], column_titles: tuple[str, ...] = ()
) -> np.ndarray:
    """Return an image (H', W', 3) uint8: a row of tiles for each role, and beside it other pictures of the same tiles.

    Args:
        pictures: title ("image", "label map") -> (N, H, W, 3) uint8, the tiles of the batch; one or more
        rows: name of each role ("anchor", "cluster 3") and the indices (n,) of its tiles, one for each column; only
            the first MAX_COLUMNS are shown
        column_titles: the loss of each column, instead of the title of the first picture; may be empty
    """
    tile_height, tile_width = next(iter(pictures.values())).shape[1:3]
    factor = -(-MIN_SIDE // min(tile_height, tile_width))
    font = ImageFont.load_default(TEXT_SIZE)
    margin = int(max((font.getlength(role) for role, _ in rows), default=0)) + 12
    rows = [(role, np.asarray(indices[:MAX_COLUMNS], dtype=int)) for role, indices in rows]
    columns = max((len(indices) for _, indices in rows), default=0)
    blocks = [_block(pixels, rows, columns, factor) for pixels in pictures.values()]
    height, width = blocks[0].shape[:2]
    lefts = [margin + number * (width + PICTURES_GAP) for number in range(len(blocks))]
    strip = np.full((TITLE_HEIGHT + height, lefts[-1] + width, 3), BACKGROUND, np.uint8)
    for left, block in zip(lefts, blocks):
        strip[TITLE_HEIGHT:, left : left + width] = block
    titles_above = list(zip(lefts, pictures))
    if column_titles:
        step = tile_width * factor + GAP
        losses = [(margin + column * step, title) for column, title in enumerate(column_titles[:columns])]
        titles_above = [(4, "loss"), *losses, *titles_above[1:]]
    row_step = tile_height * factor + GAP
    names_beside = [(TITLE_HEIGHT + row * row_step + row_step / 2, role) for row, (role, _) in enumerate(rows)]
    return _write_texts(strip, titles_above, names_beside, font)


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
