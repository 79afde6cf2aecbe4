"""Finds the legend of a label map, and how its pixel values become class indices.

A label map holds colours (three bands), a palette (one band whose colour table holds the legend's colours) or class
codes. Each possible way to read the map is a candidate; the one that explains most of a sample of it is used.
"""

import colorsys
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rasterio.enums import ColorInterp

from dataProcessors.legends.class_names import category_names
from dataProcessors.legends.label_source import LabelSource
from dataProcessors.legends.legend import (
    COLOUR_TOLERANCE,
    MAX_CODE,
    NO_LABEL,
    Legend,
    builtin_legends,
    legend_from_json,
)
from dataProcessors.legends.overlap import sample_labels
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.opening import MapError, convert_read_errors

log = logging.getLogger(__name__)
MIN_EXPLAINED = 0.95  # share of sampled pixels that a palette must explain to count as a known legend's
MIN_MATCH, GOOD_MATCH = 0.05, 0.8  # shares of sampled pixels: fewer are an error, a warning
NO_CLASS_NAMES = {"na", "no data", "nodata", "unclassified", "background", "unlabelled", "unlabeled"}


@dataclass(frozen=True)
class Decoder:
    """One way to read a label map: raw values (B, h, w), validity (h, w) -> class indices (h, w) uint8."""

    legend: Legend
    description: str
    to_classes: Callable[[np.ndarray], np.ndarray]

    def __call__(self, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Return class indices; NO_LABEL where the map has no value, or a value that is no class."""
        classes = self.to_classes(values)
        classes[~valid] = NO_LABEL
        return classes


def nearest_colour_table(legend: Legend) -> np.ndarray:
    """Return the class index of every 24-bit colour (red << 16 | green << 8 | blue): (2**24,) uint8.

    It is the legend's nearest colour in L1 distance, the first of equally near ones; NO_LABEL if none is within
    COLOUR_TOLERANCE. A table, because looking up a pixel is then one memory access for any number of classes.
    """
    table = np.full((256, 256, 256), NO_LABEL, np.uint8)
    nearest = np.full((256, 256, 256), COLOUR_TOLERANCE + 1, np.uint8)
    for index, colour in enumerate(legend.colors):
        box = tuple(slice(max(c - COLOUR_TOLERANCE, 0), c + COLOUR_TOLERANCE + 1) for c in colour)
        red, green, blue = (np.abs(np.arange(s.start, min(s.stop, 256)) - c) for s, c in zip(box, colour))
        distance = (red[:, None, None] + green[:, None] + blue).astype(np.uint8)
        closer = distance < nearest[box]
        table[box][closer], nearest[box][closer] = index, distance[closer]
    return table.reshape(-1)


def colour_decoder(legend: Legend, order: str = "RGB") -> Decoder:
    """Return a decoder of three bands of colours that are stored in `order`, RGB or BGR."""
    table = nearest_colour_table(legend)
    red, green, blue = (order.index(letter) for letter in "RGB")

    def to_classes(values: np.ndarray) -> np.ndarray:
        key = values[red].astype(np.uint32)  # in place: this runs for every pixel of the map
        for band in (green, blue):
            key <<= 8
            key |= values[band]
        return table[key]

    return Decoder(legend, f"colours in {order} order", to_classes)


def code_decoder(
    legend: Legend, codes: tuple[int, ...], classes: np.ndarray | None = None, description: str = "codes"
) -> Decoder:
    """Return a decoder of one band in which the value codes[i] is class i (or classes[i])."""
    order = np.argsort(codes)
    known = np.asarray(codes, np.int64)[order]
    classes = (np.arange(len(codes)) if classes is None else classes)[order].astype(np.uint8)

    def to_classes(values: np.ndarray) -> np.ndarray:
        if values.dtype in (np.uint8, np.uint16):
            return small[values[0]]
        return search(values[0])

    def search(values: np.ndarray) -> np.ndarray:
        place = np.minimum(np.searchsorted(known, values), len(known) - 1)
        return np.where(known[place] == values, classes[place], NO_LABEL).astype(np.uint8)

    small = search(np.arange(65536))
    return Decoder(legend, description, to_classes)


def choose_decoder(source: LabelSource, name: str, hint: str | None, window: Window) -> Decoder:
    """Return the decoder that explains most of a sample of the map.

    Args:
        source: the label map on the image's grid
        name: the user's name of the map
        hint: "osm", "clc", path of a legend file, or None: found from the map's values alone
        window: the part of the grid in use
    Raises:
        MapError: the map lies elsewhere, its values have a type that cannot be classes, or match no legend
    """
    values, valid = sample_labels(source, window)
    if not valid.any():
        raise MapError(
            f"{source.path}: the label map does not overlap the part of the image in use. "
            "Choose a label map of the same place, or another 'maps.rect'."
        )
    if values.dtype.kind not in "ui":
        raise MapError(f"{source.path}: a label map must hold colours or integer codes. Got {values.dtype}.")
    counted = valid & ~_white_mask(source, values)
    values = values[:, counted if counted.any() else valid][:, None]  # (B, 1, pixels)
    candidates = _colour_candidates if len(values) >= 3 else _code_candidates
    return _best_decoder(source, name, candidates(source, values, hint), values)


def _white_mask(source: LabelSource, values: np.ndarray) -> np.ndarray:
    """Return the mask of white pixels, the legends' colour for nodata: (B, h, w) -> (h, w) bool."""
    if len(values) >= 3:
        return np.all(values[:3] >= 255, axis=0)
    return np.isin(values[0], [code for code, colour in _palette(source).items() if colour == (255, 255, 255)])


def _matched_share(decoder: Decoder, values: np.ndarray) -> float:
    return float((decoder.to_classes(values) != NO_LABEL).mean())


def _best_decoder(source: LabelSource, name: str, candidates: list[Decoder], values: np.ndarray) -> Decoder:
    matched = [_matched_share(decoder, values) for decoder in candidates]
    best = int(np.argmax(matched))
    decoder, share = candidates[best], matched[best]
    message = f"{source.path}: {share:.1%} of the pixels match the legend {decoder.legend.name} ({decoder.description})"
    if share < MIN_MATCH:
        raise MapError(f"{message}. Set the map's legend in 'maps.legends': osm, clc, or a JSON file of its classes.")
    (log.warning if share < GOOD_MATCH else log.info)(message)
    return replace(decoder, legend=replace(decoder.legend, name=name))


def possible_legends(hint: str | None) -> list[Legend]:
    """Return the legend that the config names, or without one all that come with the project."""
    legends = builtin_legends()
    if hint is None:
        return list(legends.values())
    if hint in legends:
        return [legends[hint]]
    try:
        return [legend_from_json(hint, json.loads(Path(hint).read_text(encoding="utf8")))]
    except (OSError, ValueError, KeyError, TypeError) as error:  # a missing code is a KeyError
        raise MapError(
            f'\'{hint}\' is not a legend. Use osm, clc, or a JSON file {{"classes": [{{"name": ..., '
            f'"color": [r, g, b], "code": ...}}, ...]}} ({type(error).__name__}: {error}).'
        ) from None


def _colour_candidates(source: LabelSource, values: np.ndarray, hint: str | None) -> list[Decoder]:
    if values.dtype != np.uint8:
        raise MapError(f"{source.path}: colours must be uint8. Got {values.dtype}.")
    return [colour_decoder(legend, order) for legend in possible_legends(hint) for order in ("RGB", "BGR")]


def _code_candidates(source: LabelSource, values: np.ndarray, hint: str | None) -> list[Decoder]:
    """Return the ways to read one band: palette colours of a known legend, a legend's codes, else the file's codes."""
    palette = _palette(source)
    legends = possible_legends(hint)
    candidates = [_palette_decoder(legend, palette, order) for legend in legends for order in ("RGB", "BGR") if palette]
    if hint is None:
        explained = [candidate for candidate in candidates if _matched_share(candidate, values) > MIN_EXPLAINED]
        return explained or [_file_code_decoder(source, palette)]
    for legend in legends:
        numbered = tuple(range(1, len(legend) + 1))  # as in the published CORINE raster
        ways = {"codes": legend.codes, "codes 1, 2, 3, ...": numbered}
        candidates += [code_decoder(legend, codes, description=text) for text, codes in ways.items() if codes]
        if not legend.codes and not palette and (values == 0).any():
            log.warning(
                "%s: the legend %s has no codes, so 1 is read as %s, and 0, which occurs, as unlabelled. If 0 is a "
                "class, add a 'code' to each class of the legend", source.path, legend.name, legend.names[0],
            )  # fmt: skip
    return candidates


def _palette(source: LabelSource) -> dict[int, tuple[int, int, int]]:
    if source.native.colorinterp[0] != ColorInterp.palette:
        return {}
    return {code: colour[:3] for code, colour in source.native.colormap(1).items() if colour[3] > 0}


def _palette_decoder(legend: Legend, palette: dict, order: str) -> Decoder:
    colours = np.array(list(palette.values()), np.uint8).T[:, None]  # (3, 1, codes)
    classes = colour_decoder(legend, order).to_classes(colours)[0]
    known = classes != NO_LABEL
    codes = tuple(np.array(list(palette))[known]) or (-1,)
    return code_decoder(legend, codes, classes[known] if known.any() else None, f"palette in {order} order")


def _file_code_decoder(source: LabelSource, palette: dict) -> Decoder:
    """Return a decoder of the file's own classes: codes that have names, if any, else every code that occurs in it."""
    nodata = source.native.nodata
    names = category_names(source.path)
    named = [code for code, text in names.items() if text.lower() not in NO_CLASS_NAMES]
    codes = [int(code) for code in sorted(named or _occurring_codes(source)) if code != nodata]
    if not 1 <= len(codes) < NO_LABEL:
        raise MapError(f"{source.path}: a label map must have 1 to {NO_LABEL - 1} classes. Got {len(codes)} codes.")
    if max(map(abs, codes)) > MAX_CODE:
        raise MapError(f"{source.path}: class codes must lie within ±2**53. Got {codes[0]:g} to {codes[-1]:g}.")
    colours = tuple(palette.get(code) or distinct_colour(i) for i, code in enumerate(codes))
    legend = Legend("own codes", tuple(names.get(code, f"class {code}") for code in codes), colours, tuple(codes))
    return code_decoder(legend, tuple(codes))


def _occurring_codes(source: LabelSource) -> set[int]:
    file, found = source.native, set()
    for _, window in file.block_windows(1):
        with convert_read_errors(source.path, (window.col_off, window.row_off, window.width, window.height)):
            found.update(np.unique(file.read(1, window=window, masked=True).compressed()).tolist())
        if len(found) > 65536:
            break
    return found


def distinct_colour(index: int) -> tuple[int, int, int]:
    """Return a colour for a class that has none, far from the others: hues in steps of the golden angle."""
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618034 % 1.0, 0.55 + 0.35 * (index % 2), 0.9 - 0.2 * (index % 3))
    return round(255 * red), round(255 * green), round(255 * blue)
