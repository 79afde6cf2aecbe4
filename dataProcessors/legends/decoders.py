"""Ways to turn the pixel values of a label map into class indices: by colour, by code, by range of codes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dataProcessors.legends.legend import COLOUR_TOLERANCE, NO_LABEL, WHITE, Colour, Legend

FARTHEST = 2**62  # codes beyond it are cut off, as no map has them


@dataclass(frozen=True)
class Decoder:
    """One way to read a label map: raw values (B, h, w), validity (h, w) -> class indices (h, w) uint8.

    Attributes:
        legend: of the map
        description: how values become classes
        to_classes: raw values (B, h, w) -> class indices (h, w)
        reason: why the map is read in this way
        explained: share of the pixels with data that have a class, in a sample, or of what `counted` says
        about_classes: what a reader of the scores must know of the classes, such as which were dropped; "": nothing
        settings: what the classes follow from beside the legend, for example the ranges of its codes
        order: in which colours are stored, RGB or BGR
        counted: of what `explained` is the share
        has_points: whether there are points, which are far larger than a pixel in an estimate of the classes' shares
    """

    legend: Legend
    description: str
    to_classes: Callable[[np.ndarray], np.ndarray]
    reason: str = ""
    explained: float = 1.0
    about_classes: str = ""
    settings: tuple = ()
    order: str = "RGB"
    counted: str = "pixels with data in a sample"
    has_points: bool = False

    def __call__(self, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Return class indices; NO_LABEL where the map has no value, or a value that is no class."""
        classes = self.to_classes(values)
        classes[~valid] = NO_LABEL
        return classes


def no_data_colours(legend: Legend) -> tuple[Colour, ...]:
    """Return the colours that stand for "no data": white, where the legend names none and has no white class."""
    return legend.no_data_colors or (() if WHITE in legend.colors else (WHITE,))


def nearest_colour_table(legend: Legend) -> np.ndarray:
    """Return the class index of every 24-bit colour (red << 16 | green << 8 | blue): (2**24,) uint8.

    It is the legend's nearest colour in L1 distance, the first of equally near ones; NO_LABEL if none is within
    COLOUR_TOLERANCE, or if a colour of "no data" is nearer. A table, because looking up a pixel is then one memory
    access for any number of classes.
    """
    table = np.full((256, 256, 256), NO_LABEL, np.uint8)
    nearest = np.full((256, 256, 256), COLOUR_TOLERANCE + 1, np.uint8)
    entries = [*enumerate(legend.colors), *((NO_LABEL, colour) for colour in no_data_colours(legend))]
    for index, colour in entries:
        box = tuple(slice(max(c - COLOUR_TOLERANCE, 0), c + COLOUR_TOLERANCE + 1) for c in colour)
        red, green, blue = (np.abs(np.arange(s.start, min(s.stop, 256)) - c) for s, c in zip(box, colour))
        distance = (red[:, None, None] + green[:, None] + blue).astype(np.uint8)
        closer = distance < nearest[box]
        table[box][closer], nearest[box][closer] = index, distance[closer]
    return table.reshape(-1)


def colour_decoders(legend: Legend) -> list[Decoder]:
    """Return the decoders of three bands of colours, stored in RGB and in BGR order, which share a table of 16 MB."""
    table = nearest_colour_table(legend)
    return [_colour_decoder(legend, order, table) for order in ("RGB", "BGR")]


def _colour_decoder(legend: Legend, order: str, table: np.ndarray) -> Decoder:
    def to_classes(values: np.ndarray) -> np.ndarray:
        return table[colour_keys(values, order)]

    return Decoder(legend, f"colours in {order} order", to_classes, settings=no_data_colours(legend), order=order)


def colour_keys(values: np.ndarray, order: str = "RGB") -> np.ndarray:
    """Return red << 16 | green << 8 | blue, uint32, of colours (3, ...) uint8 that are stored in `order`."""
    red, green, blue = (order.index(letter) for letter in "RGB")
    key = values[red].astype(np.uint32)  # in place: this runs for every pixel of the map
    for band in (green, blue):
        key <<= 8
        key |= values[band]
    return key


def code_decoder(
    legend: Legend, codes: tuple[int, ...], classes: np.ndarray | None = None, description: str = "codes"
) -> Decoder:
    """Return a decoder of one band in which the value codes[i] is class i (or classes[i])."""
    return range_decoder(legend, [(code, code) for code in codes], classes, description)


def range_decoder(
    legend: Legend, ranges: list[tuple[float, float]], classes: np.ndarray | None = None, description: str = "codes"
) -> Decoder:
    """Return a decoder of one band in which whole numbers from low to high of ranges[i] are class i (or classes[i]).

    Both ends belong to a range; where ranges overlap, the first one counts.
    """
    starts, found = _segments(ranges, np.arange(len(ranges)) if classes is None else np.asarray(classes))

    def to_classes(values: np.ndarray) -> np.ndarray:
        if values.dtype in (np.uint8, np.uint16):
            return small[values[0]]
        decoded = search(values[0])
        if values.dtype.kind == "f":
            decoded[values[0] != np.rint(values[0])] = NO_LABEL
        return decoded

    def search(values: np.ndarray) -> np.ndarray:
        return found[np.searchsorted(starts, values, "right")]

    small = search(np.arange(65536))
    return Decoder(legend, description, to_classes, settings=(starts.tolist(), found.tolist()))


def _segments(ranges: list[tuple[float, float]], classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the class of whole numbers changes, (S,) rising, and the class before, between and after: (S + 1,).

    A search among the changes then finds the class of any number, however many a range holds.
    """
    first = [max(math.ceil(low), -FARTHEST) for low, _ in ranges]
    beyond = [min(math.floor(high) + 1, FARTHEST) for _, high in ranges]  # in Python's integers, which are exact
    starts = np.unique(np.array([*first, *beyond], np.int64))
    found = np.full(len(starts) + 1, NO_LABEL, np.uint8)
    for start, end, index in reversed(list(zip(first, beyond, classes.tolist()))):  # the first range is put in last
        found[1:][(starts >= start) & (starts < end)] = index
    return starts, found
