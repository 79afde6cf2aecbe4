"""Opens a label map of either kind, a raster or a file of polygons and points, and decides on its classes."""

from dataclasses import replace

import numpy as np

from config import LabelFile
from dataProcessors.labels.file_legend import distinct_colour
from dataProcessors.labels.known_products import title
from dataProcessors.labels.label_source import LabelSource
from dataProcessors.labels.matching import choose_decoder, named_legend
from dataProcessors.legends.decoders import Decoder
from dataProcessors.legends.legend import Legend
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.opening import MapError
from dataProcessors.vectors.feature_classes import classes_of_legend, own_classes, warn_of_numbers
from dataProcessors.vectors.vector_source import VectorSource, is_vector, open_features

LabelMap = LabelSource | VectorSource


def open_label_map(
    file: LabelFile, name: str, grid: Grid, hint: str | None, window: Window, threads: int = 1
) -> tuple[LabelMap, Decoder]:
    """Open a label map on the image's grid.

    Args:
        file: as the config names it
        name: the user's name of the map
        grid: the image map's grid
        hint: name of a legend, path of a legend file, or None: by the map's name, or found from the file
        window: the part of the grid in use
        threads: that may decode the file
    Returns:
        the map, and its legend with how its pixels become classes
    Raises:
        MapError: the file is missing or damaged, lies elsewhere, or does not follow its legend
    """
    opener = _open_features if is_vector(file.path) else _open_raster
    return opener(file, name, grid, hint, window, threads)


def check_label_file(file: LabelFile) -> None:
    """Check what can be known of a file of polygons or points without an image, such as its layer and column.

    Raises:
        MapError: it is missing, damaged, or lacks one of them
    """
    if is_vector(file.path):
        open_features(file.path, file.layer, file.column)


def _open_raster(
    file: LabelFile, name: str, grid: Grid, hint: str | None, window: Window, threads: int = 1
) -> tuple[LabelSource, Decoder]:
    _refuse(file, ("layer", "column"), "a raster has bands, and no layers or columns of polygons and points")
    source = LabelSource(file.path, grid, name, file.band)
    decoder = source.decode = choose_decoder(source, hint, window, threads)
    return source, decoder


def _open_features(
    file: LabelFile, name: str, grid: Grid, hint: str | None, window: Window, threads: int = 1
) -> tuple[VectorSource, Decoder]:
    _refuse(file, ("band",), "polygons and points have columns, and no bands")
    source = VectorSource(file.path, grid, file.layer, file.column)
    counts = source.count_values(window)
    legend = named_legend(name, hint)
    if legend is None:
        warn_of_numbers(source.path, source.file.column, counts)
        names, codes, classes = own_classes(source.path, counts)
        legend = Legend(name, names, tuple(distinct_colour(i) for i in range(len(names))), codes)
        reason = f"every value of the column {source.file.column!r} is a class"
    else:
        codes, classes = classes_of_legend(source.path, legend, counts)
        legend = replace(legend, codes=codes)
        reason = f"the config names this legend: {title(legend)}"
    source.set_classes(classes)
    explained = sum(counts[value] for value in classes) / sum(counts.values())
    description = f"polygons and points, column {source.file.column!r}"
    return source, Decoder(
        replace(legend, name=name), description, _unchanged, reason, explained, counted="features with a value",
        has_points=source.has_points,
    )  # fmt: skip


def _unchanged(values: np.ndarray) -> np.ndarray:
    return values[0]  # features are drawn as class indices


def _refuse(file: LabelFile, keys: tuple[str, ...], reason: str) -> None:
    given = [key for key in keys if getattr(file, key) is not None]
    if given:
        raise MapError(f"{file.path}: remove {given[0]!r} from 'maps.labels': {reason}.")
