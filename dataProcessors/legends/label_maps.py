"""Opens a label map of either kind, a raster or a file of polygons and points, and decides on its classes."""

from dataclasses import replace

import numpy as np

from config import LabelFile
from dataProcessors.legends.feature_classes import classes_of_legend, own_classes
from dataProcessors.legends.label_source import LabelSource
from dataProcessors.legends.legend import Legend, find_builtin
from dataProcessors.legends.matching import Decoder, choose_decoder, distinct_colour, possible_legends
from dataProcessors.legends.vector_source import VectorSource, is_vector
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.rasters.opening import MapError

LabelMap = LabelSource | VectorSource


def open_label_map(
    file: LabelFile, name: str, grid: Grid, hint: str | None, window: Window
) -> tuple[LabelMap, Decoder]:
    """Open a label map on the image's grid.

    Args:
        file: as the config names it
        name: the user's name of the map
        grid: the image map's grid
        hint: name of a legend, path of a legend file, or None: by the map's name, or found from the file
        window: the part of the grid in use
    Returns:
        the map, and its legend with how its pixels become classes
    Raises:
        MapError: the file is missing or damaged, lies elsewhere, or does not follow its legend
    """
    opener = _open_features if is_vector(file.path) else _open_raster
    return opener(file, name, grid, hint, window)


def _open_raster(
    file: LabelFile, name: str, grid: Grid, hint: str | None, window: Window
) -> tuple[LabelSource, Decoder]:
    _refuse(file, ("layer", "column"), "a raster has bands, and no layers or columns of polygons and points")
    source = LabelSource(file.path, grid)
    decoder = source.decode = choose_decoder(source, name, hint, window)
    return source, decoder


def _open_features(
    file: LabelFile, name: str, grid: Grid, hint: str | None, window: Window
) -> tuple[VectorSource, Decoder]:
    _refuse(file, ("band",), "polygons and points have columns, and no bands")
    source = VectorSource(file.path, grid, file.layer, file.column)
    counts = source.count_values(window)
    legend = find_builtin(name) if hint is None else possible_legends(hint)[0]
    if legend is None:
        names, codes, classes = own_classes(source.path, counts)
        colours = tuple(distinct_colour(i) for i in range(len(names)))
        legend = Legend(name, names, colours, codes)
    else:
        classes = classes_of_legend(source.path, legend, counts)
    source.set_classes(classes)
    description = f"polygons and points, column {source.file.column!r}"
    return source, Decoder(replace(legend, name=name), description, _unchanged)


def _unchanged(values: np.ndarray) -> np.ndarray:
    return values[0]  # features are drawn as class indices


def _refuse(file: LabelFile, keys: tuple[str, ...], reason: str) -> None:
    given = [key for key in keys if getattr(file, key) is not None]
    if given:
        raise MapError(f"{file.path}: remove {given[0]!r} from 'maps.labels': {reason}.")
