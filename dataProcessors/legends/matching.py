"""From the pixels of a label map to class indices: which legend the map follows, and how its values stand for classes.

A label map holds colours (three bands), a palette (one band whose colour table holds the legend's colours) or class
codes. Every way in which a map could be read is a candidate; the one that explains most of a sample of it is taken.
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
from dataProcessors.legends.overlap import sample
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.opening import MapError, reading

log = logging.getLogger(__name__)
EXPLAINED = 0.95  # share of sampled pixels that a palette must explain to be taken for that of a known legend
MIN_MATCHED, FEW_MATCHED = 0.05, 0.8  # share of sampled pixels that must, and that should, match the legend
NO_CLASS_NAMES = {"na", "no data", "nodata", "unclassified", "background", "unlabelled", "unlabeled"}


@dataclass(frozen=True)
class Decoder:
    """One way to read a label map: raw values (B, h, w), validity (h, w) -> class indices (h, w) uint8."""

    legend: Legend
    how: str
    classes_of: Callable[[np.ndarray], np.ndarray]

    def __call__(self, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Class indices, NO_LABEL where the map has no value or a value that stands for no class."""
        classes = self.classes_of(values)
        classes[~valid] = NO_LABEL
        return classes


def nearest_colour_table(legend: Legend) -> np.ndarray:
    """Class index of every 24-bit colour (red << 16 | green << 8 | blue): (2**24,) uint8.

    The legend's nearest colour in L1 distance, the first of equally near ones; NO_LABEL where none is within
    COLOUR_TOLERANCE. A table, because looking up a pixel is then one memory access whatever the number of classes.
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
    """Reads three bands of colours that are stored in `order`, RGB or BGR."""
    table = nearest_colour_table(legend)
    red, green, blue = (order.index(letter) for letter in "RGB")

    def classes_of(values: np.ndarray) -> np.ndarray:
        key = values[red].astype(np.uint32)  # built in place: this runs over every pixel of the map
        for band in (green, blue):
            key <<= 8
            key |= values[band]
        return table[key]

    return Decoder(legend, f"colours in {order} order", classes_of)


def code_decoder(legend: Legend, codes: tuple[int, ...], classes: np.ndarray | None = None, how="codes") -> Decoder:
    """Reads one band whose value codes[i] stands for class i (or classes[i])."""
    order = np.argsort(codes)
    known = np.asarray(codes, np.int64)[order]
    classes = (np.arange(len(codes)) if classes is None else classes)[order].astype(np.uint8)

    def classes_of(values: np.ndarray) -> np.ndarray:
        if values.dtype in (np.uint8, np.uint16):
            return small[values[0]]
        return search(values[0])

    def search(values: np.ndarray) -> np.ndarray:
        place = np.minimum(np.searchsorted(known, values), len(known) - 1)
        return np.where(known[place] == values, classes[place], NO_LABEL).astype(np.uint8)

    small = search(np.arange(65536))
    return Decoder(legend, how, classes_of)


def choose_decoder(source: LabelSource, name: str, hint: str | None, window: Window) -> Decoder:
    """The decoder that explains most of a sample of the map.

    Args:
        source: the label map on the image's grid
        name: what the user calls the map
        hint: "osm", "clc", path of a legend file, or None: taken from the map's values alone
        window: the part of the grid in use
    Raises:
        MapError: the map lies elsewhere, its values are of a type that stands for no classes, or match no legend
    """
    values, valid = sample(source, window)
    if not valid.any():
        raise MapError(
            f"{source.path}: the label map does not overlap the part of the image in use. "
            "Choose a label map of the same place, or another 'maps.rect'."
        )
    if values.dtype.kind not in "ui":
        raise MapError(f"{source.path}: a label map holds colours or whole-number codes. Got {values.dtype}.")
    counted = valid & ~_white(source, values)
    values = values[:, counted if counted.any() else valid][:, None]  # (B, 1, pixels)
    candidates = _colour_candidates if len(values) >= 3 else _code_candidates
    return _best(source, name, candidates(source, values, hint), values)


def _white(source: LabelSource, values: np.ndarray) -> np.ndarray:
    """Where pixels are white, the legends' colour for no data: (B, h, w) -> (h, w) bool."""
    if len(values) >= 3:
        return (values[:3] >= 255).all(0)
    return np.isin(values[0], [code for code, colour in _palette(source).items() if colour == (255, 255, 255)])


def _matched(decoder: Decoder, values: np.ndarray) -> float:
    return float((decoder.classes_of(values) != NO_LABEL).mean())


def _best(source: LabelSource, name: str, candidates: list[Decoder], values: np.ndarray) -> Decoder:
    matched = [_matched(decoder, values) for decoder in candidates]
    best = int(np.argmax(matched))
    decoder, share = candidates[best], matched[best]
    told = f"{source.path}: {share:.1%} of the pixels match the legend {decoder.legend.name} ({decoder.how})"
    if share < MIN_MATCHED:
        raise MapError(f"{told}. Name the map's own legend in 'maps.legends': osm, clc, or a JSON file of its classes.")
    (log.warning if share < FEW_MATCHED else log.info)(told)
    return replace(decoder, legend=replace(decoder.legend, name=name))


def _hinted(hint: str | None) -> list[Legend]:
    legends = builtin_legends()
    if hint is None:
        return list(legends.values())
    if hint in legends:
        return [legends[hint]]
    try:
        return [legend_from_json(hint, json.loads(Path(hint).read_text(encoding="utf8"))["classes"])]
    except (OSError, ValueError, KeyError, TypeError) as error:  # a missing code is a KeyError
        raise MapError(
            f'\'{hint}\' is no legend: osm, clc, or a JSON file {{"classes": [{{"name": ..., "color": [r, g, b], '
            f'"code": ...}}, ...]}} ({type(error).__name__}: {error}).'
        ) from None


def _colour_candidates(source: LabelSource, values: np.ndarray, hint: str | None) -> list[Decoder]:
    if values.dtype != np.uint8:
        raise MapError(f"{source.path}: colours must be uint8. Got {values.dtype}.")
    return [colour_decoder(legend, order) for legend in _hinted(hint) for order in ("RGB", "BGR")]


def _code_candidates(source: LabelSource, values: np.ndarray, hint: str | None) -> list[Decoder]:
    """Ways to read one band: palette colours of a known legend, codes of a legend, else the file's own codes."""
    palette = _palette(source)
    legends = _hinted(hint)
    candidates = [_palette_decoder(legend, palette, order) for legend in legends for order in ("RGB", "BGR") if palette]
    if hint is None:
        explained = [candidate for candidate in candidates if _matched(candidate, values) > EXPLAINED]
        return explained or [_own_codes(source, palette)]
    for legend in legends:
        numbered = tuple(range(1, len(legend) + 1))  # as the published CORINE raster has them
        ways = {"codes": legend.codes, "codes 1, 2, 3, ...": numbered}
        candidates += [code_decoder(legend, codes, how=how) for how, codes in ways.items() if codes]
        if not legend.codes and not palette and (values == 0).any():
            log.warning(
                "%s: the legend %s gives no codes, so 1 is taken for %s, and 0, which occurs, for no label. If 0 is a "
                "class, give each class of the legend its 'code'", source.path, legend.name, legend.names[0],
            )  # fmt: skip
    return candidates


def _palette(source: LabelSource) -> dict[int, tuple[int, int, int]]:
    if source.native.colorinterp[0] != ColorInterp.palette:
        return {}
    return {code: colour[:3] for code, colour in source.native.colormap(1).items() if colour[3] > 0}


def _palette_decoder(legend: Legend, palette: dict, order: str) -> Decoder:
    colours = np.array(list(palette.values()), np.uint8).T[:, None]  # (3, 1, codes)
    classes = colour_decoder(legend, order).classes_of(colours)[0]
    known = classes != NO_LABEL
    codes = tuple(np.array(list(palette))[known]) or (-1,)
    return code_decoder(legend, codes, classes[known] if known.any() else None, f"palette in {order} order")


def _own_codes(source: LabelSource, palette: dict) -> Decoder:
    """The file's own classes: codes with their names where it has any, else every code that occurs in it."""
    nodata = source.native.nodata
    names = category_names(source.path)
    named = [code for code, text in names.items() if text.lower() not in NO_CLASS_NAMES]
    codes = [int(code) for code in sorted(named or _codes_that_occur(source)) if code != nodata]
    if not 1 <= len(codes) < NO_LABEL:
        raise MapError(f"{source.path}: a label map has 1 to {NO_LABEL - 1} classes. Got {len(codes)} codes.")
    if max(map(abs, codes)) > MAX_CODE:
        raise MapError(f"{source.path}: codes of classes lie within ±2**53. Got {codes[0]:g} to {codes[-1]:g}.")
    colours = tuple(palette.get(code) or _distinct_colour(i) for i, code in enumerate(codes))
    legend = Legend("own codes", tuple(names.get(code, f"class {code}") for code in codes), colours, tuple(codes))
    return code_decoder(legend, legend.codes)


def _codes_that_occur(source: LabelSource) -> set[int]:
    file, found = source.native, set()
    for _, window in file.block_windows(1):
        with reading(source.path, (window.col_off, window.row_off, window.width, window.height)):
            found.update(np.unique(file.read(1, window=window, masked=True).compressed()).tolist())
        if len(found) > 65536:
            break
    return found


def _distinct_colour(index: int) -> tuple[int, int, int]:
    """Colours far from one another for classes that have none: steps of the golden angle around the hues."""
    rgb = colorsys.hsv_to_rgb(index * 0.618034 % 1.0, 0.55 + 0.35 * (index % 2), 0.9 - 0.2 * (index % 3))
    return tuple(round(255 * channel) for channel in rgb)
