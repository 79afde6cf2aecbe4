"""Legends for figures, and what a figure shows."""

import io

import numpy as np
from PIL import Image

from dataProcessors.legends.legend import Legend, builtin_legends

LEGENDS = builtin_legends() | {"one": Legend("one", ("all of it",), ((10, 200, 30),))}


def texts(figure):
    """Return all visible texts of a figure."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def drawn(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight", pil_kwargs={"compress_level": 1})
    image = np.asarray(Image.open(file).convert("RGB"))
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert image.std() > 0
