"""Pictures that lie in the page itself, and never make it too large."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

MAX_SIDE = 2400  # pixels; sharp on any screen and on paper
QUALITY = 85  # of 100, where a picture cannot be kept as it is
MIN_SIDE = 16  # pixels; a picture is not made smaller to fit


class Picture(NamedTuple):
    """A picture for the page: where it lies as data: URI, and its size on the page in CSS pixels."""

    uri: str
    width: int
    height: int


def open_picture(path: Path, allowance: int) -> Picture | None:
    """The picture in a file, in at most `allowance` bytes; None if it cannot be read."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return _fitted(image, content, allowance)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # what Pillow says of damaged files
        return None


def of_png(content: bytes, dots_per_pixel: int) -> Picture:
    """A PNG file as it is, shown with several of its dots for one CSS pixel, so that it is sharp on a phone."""
    with Image.open(io.BytesIO(content)) as image:
        return _picture(content, "png", image.width // dots_per_pixel, image.height // dots_per_pixel)


def _fitted(image: Image.Image, content: bytes, allowance: int) -> Picture:
    """The file as it is if it is small enough, else as WebP.

    WebP takes half or a third of what PNG does for drawings, without loss. Where that is still too much, as with pieces
    of a map, it is allowed some loss; and only where even that is not enough, the picture becomes smaller.
    """
    if image.format == "PNG" and max(image.size) <= MAX_SIDE and len(content) <= allowance:
        return _picture(content, "png", *image.size)
    image = _on_white(image)
    image.thumbnail((MAX_SIDE, MAX_SIDE), reducing_gap=2)
    without_loss = _webp(image, lossless=True, quality=20, method=2)  # here the quality is the effort
    if len(without_loss) <= allowance:
        return _picture(without_loss, "webp", *image.size)
    while len(content := _webp(image, quality=QUALITY)) > allowance and max(image.size) > MIN_SIDE:
        image = image.resize([max(1, side * 3 // 4) for side in image.size], Image.Resampling.LANCZOS)
    return _picture(content, "webp", *image.size)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _webp(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", **options)
    return file.getvalue()


def _picture(content: bytes, kind: str, width: int, height: int) -> Picture:
    return Picture(f"data:image/{kind};base64,{base64.b64encode(content).decode()}", width, height)
