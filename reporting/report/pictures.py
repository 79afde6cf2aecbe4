"""Pictures inside the HTML page, as data: URIs of limited size."""

import base64
import io
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

MAX_SIDE = 2400  # pixels; sharp on any screen and on paper
WEBP_QUALITY = 85  # of 100, for pictures that are too large without loss
MIN_SIDE = 16  # pixels; pictures are not scaled down further


class Picture(NamedTuple):
    """A picture for the page: its data: URI, and its size on the page in CSS pixels."""

    uri: str
    width: int
    height: int


def open_picture(path: Path, max_bytes: int) -> Picture | None:
    """Read a picture in at most `max_bytes` bytes; return None if the file cannot be read."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return _fit(image, content, max_bytes)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # errors of Pillow for damaged files
        return None


def picture_of_png(content: bytes, dots_per_pixel: int) -> Picture:
    """Return a PNG file unchanged, with several of its dots for one CSS pixel, so that it is sharp on a phone."""
    with Image.open(io.BytesIO(content)) as image:
        return _picture(content, "png", image.width // dots_per_pixel, image.height // dots_per_pixel)


def _fit(image: Image.Image, content: bytes, max_bytes: int) -> Picture:
    """Return the file unchanged if it is small enough, else as WebP.

    For drawings WebP without loss takes half or a third of the size of PNG. If that is still too large, as it is for
    pieces of a map, WebP with loss is used; and only if that is too large too, the picture is scaled down.
    """
    if image.format == "PNG" and max(image.size) <= MAX_SIDE and len(content) <= max_bytes:
        return _picture(content, "png", *image.size)
    image = _on_white(image)
    image.thumbnail((MAX_SIDE, MAX_SIDE), reducing_gap=2)
    without_loss = _webp(image, lossless=True, quality=20, method=2)  # without loss, quality means effort
    if len(without_loss) <= max_bytes:
        return _picture(without_loss, "webp", *image.size)
    while len(content := _webp(image, quality=WEBP_QUALITY)) > max_bytes and max(image.size) > MIN_SIDE:
        image = image.resize([max(1, side * 3 // 4) for side in image.size], Image.Resampling.LANCZOS)
    return _picture(content, "webp", *image.size)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _webp(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", **options)
    return file.getvalue()


def _picture(content: bytes, kind: str, width: int, height: int) -> Picture:
    return Picture(f"data:image/{kind};base64,{base64.b64encode(content).decode()}", width, height)
