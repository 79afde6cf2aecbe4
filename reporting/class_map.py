"""The figure of a land-cover map that `classify` has written, from decimated pixels of the maps."""

import math
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.figure import Figure
from rasterio.enums import Resampling
from rasterio.windows import Window as RasterWindow

from dataProcessors.label_reader import LabelReader
from dataProcessors.legends.legend import NO_LABEL
from dataProcessors.tiffreader import TiffReader
from inference.land_cover.class_codes import ClassCodes
from inference.land_cover.classifying import Classified
from reporting import figures
from reporting.figures.style import save_figure
from reporting.map_view import SYNTHETIC, display_of

MAX_SIDE = 1000  # pixels of a panel
SAMPLE_SIDE = 128  # pixels of the tiles from which the brightness of the image is taken


def write_class_map_picture(classified: Classified, image: TiffReader) -> None:
    """Write a picture of the land cover beside its file, with .png in place of its suffix. image: the map."""
    end = SYNTHETIC if image.source.synthetic else ""
    figure = class_map_figure(classified, image, f"Land cover by {classified.model}{end}")
    save_figure(figure, classified.files.picture.with_suffix(""), ("png",))


def describe_classified(classified: Classified) -> str:
    """Return the files and the scores of a land-cover map as lines."""
    spreads = [f" ±{score.std:.3f}" if math.isfinite(score.std) else "" for score in classified.scores]
    scores = [f"  {score.metric} {score.mean:.3f}{spread}" for score, spread in zip(classified.scores, spreads)]
    where = "in the reserved cells, which were not trained on" if scores else f"no scores: {classified.not_scored}"
    return "\n".join([f"The map is {classified.files.map}; {where}{':' if scores else ''}", *scores])


def class_map_figure(classified: Classified, image: TiffReader, title: str) -> Figure:
    """Draw the land cover of a map beside the image and, if the map is the run's own, its label map.

    Args:
        classified: what `classify` has written, of classes
        image: the map that is classified
        title: of the figure
    """
    pixels, step, corner = image.overview()
    skipped = -(-(np.array(image.window[:2]) - corner) // step)  # overview pixels before the part in use, along x and y
    start = corner + skipped * step - image.window[:2]
    step *= (thin := max(1, -(-max(pixels.shape[1:]) // MAX_SIDE)))
    shown = ..., slice(skipped[1], None, thin), slice(skipped[0], None, thin)
    rgb = display_of(image, SAMPLE_SIDE).of_overview().rgb(pixels[shown][None])[0]
    predicted = _classes(classified.files.map, classified.codes, start, step, rgb.shape[:2])
    return figures.class_map(rgb, _truth(classified, image, shown), predicted, classified.codes.legend, title)


def _truth(classified: Classified, image: TiffReader, shown: tuple) -> np.ndarray | None:
    """Return the label map (h, w) on the pixels that are shown; None: it covers another map, or another part."""
    labels = classified.maps.labels
    same = classified.is_own and image.window == classified.maps.image.window
    return labels.overview()[0][0][shown] if same and isinstance(labels, LabelReader) else None


def _classes(path: Path, codes: ClassCodes, start: np.ndarray, step: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the class indices (h, w) of every step-th pixel of a land-cover map. start: column and row of the first"""
    index = {code: number for number, code in enumerate(codes.codes)}
    with rasterio.open(path) as file:
        height, width = (min(number * step, side - first) for number, side, first in
                         zip(shape, file.shape, start[::-1].tolist()))  # fmt: skip
        window = RasterWindow(*start.tolist(), width, height)
        values = file.read(1, window=window, out_shape=shape, resampling=Resampling.nearest)
    different, inverse = np.unique(values, return_inverse=True)
    return np.array([index.get(value, NO_LABEL) for value in different.tolist()], np.uint8)[inverse].reshape(shape)
