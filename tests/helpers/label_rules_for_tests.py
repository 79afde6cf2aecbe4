"""Which class is a pixel of a label map: the rules of doc/maps.md, followed value by value."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from dataProcessors.legends.legend import Legend, builtin_legends

Value = tuple[float, ...]  # of one pixel: its code, or its colour as stored
Names = Callable[[Value], str]  # the class of a value; "": it has none
COLOURS, UNKNOWN = ["red", "green", "blue"], {"gray", "undefined"}
WHITE, NEAR = (255, 255, 255), 15
NO_CLASS = ("no data", "background")  # as random labels call codes that are no class
FLOAT_MIN = float(np.finfo(np.float32).min)


@dataclass
class Labels:
    """A label map, and what its file and the config say of it.

    Attributes:
        path, name, hint, band: as the config names them; hint and band may be None
        legend: that the config names, or None
        stored: each band (h, w), in its own type
        nodata: declared nodata value of each band
        meanings: colour interpretation of each band
        masked: where a mask says that there is no data (h, w)
        palette: code -> colour, of the first band; without transparent ones
        rows: (low, high, name) for the codes of the band `named`, in the order of the file
        named: band that the rows belong to
    """

    path: Path
    name: str
    hint: str | None
    legend: Legend | None
    stored: list[np.ndarray] = field(repr=False)
    nodata: list[float | None]
    meanings: list[str]
    masked: np.ndarray = field(repr=False)
    band: int | None = None
    palette: dict[int, tuple[int, ...]] = field(default_factory=dict, repr=False)
    rows: list[tuple[float, float, str]] = field(default_factory=list)
    named: int = 1

    def bands(self) -> list[int] | None:
        """Return the bands that hold labels, one of codes or three of colours; None: the file does not say which."""
        if self.band:
            return [self.band]
        free = [n for n, meaning in enumerate(self.meanings, 1) if meaning != "alpha"]
        kinds = [self.meanings[n - 1] for n in free]
        if len(free) == 1:
            return free
        if len(free) == 3 and all(self.stored[n - 1].dtype == np.uint8 for n in free):
            if set(kinds) == set(COLOURS):
                return [free[kinds.index(colour)] for colour in COLOURS]
            if set(kinds) <= UNKNOWN:
                return free
        return None

    def holds_data(self, row: int, column: int, bands: list[int]) -> bool:
        """Return whether a pixel has a value: it is not transparent, masked or infinite, nor nodata in all bands."""
        alpha = [n for n, meaning in enumerate(self.meanings, 1) if meaning == "alpha" and n not in bands]
        if self.masked[row, column] or any(self.stored[n - 1][row, column] == 0 for n in alpha):
            return False
        values = [(self.stored[n - 1][row, column].item(), self.nodata[n - 1]) for n in bands]
        if not all(math.isfinite(value) for value, _ in values):
            return False
        return not all(_means(tag, value, self.stored[n - 1].dtype) for n, (value, tag) in zip(bands, values))


def _means(code: float | None, value: float, dtype: np.dtype) -> bool:
    """Return whether a code means a pixel value: it is equal, but for the sign of the type, or for rounding."""
    if code is None or dtype.kind == "f":
        return code == value or (code == -3.4e38 and value == FLOAT_MIN)
    bits = 8 * dtype.itemsize
    return code == int(code) and -(2 ** (bits - 1)) <= code < 2**bits and (int(code) - value) % 2**bits == 0


def expected_names(labels: Labels) -> np.ndarray | None:
    """Return the class names of all pixels (h, w), "" where unlabelled; None: the map must be refused."""
    bands = labels.bands()
    if bands is None:
        return None
    values = {
        place: tuple(labels.stored[n - 1][place].item() for n in bands)
        for place in np.ndindex(labels.masked.shape)
        if labels.holds_data(*place, bands)
    }
    names = Seen(labels, bands, Counter(values.values())).decide()
    if names is None:
        return None
    found = np.full(labels.masked.shape, "", object)
    for place, value in values.items():
        found[place] = names(value)
    return found


@dataclass
class Seen:
    """The values of the pixels with data, and which evidence decides on their classes."""

    labels: Labels
    bands: list[int]
    counts: Counter[Value]

    def __post_init__(self):
        self.palette = self.labels.palette if self.bands == [1] else {}
        self.dtype = self.labels.stored[self.bands[0] - 1].dtype
        self.total = self.counts.total()

    def decide(self) -> Names | None:
        """Return the class of each value, by the first evidence that there is; None: the map must be refused."""
        if not self.counts or any(part != int(part) for value in self.counts for part in value):
            return None
        if self.labels.legend:
            return self._named_by_config(self.labels.legend)
        if len(self.bands) == 3:
            return self._known_colours()
        return self._named_by_file() or self._product() or self._codes()

    def share(self, names: Names, is_no_data: Callable[[Value], bool]) -> Fraction:
        """Return the share of the pixels that have a class, among those that are not said to be no data."""
        known = sum(n for value, n in self.counts.items() if names(value))
        counted = sum(n for value, n in self.counts.items() if names(value) or not is_no_data(value))
        return Fraction(known, max(counted, 1))

    def no_data_of(self, legend: Legend, order: int = 1) -> Callable[[Value], bool]:
        """Return whether a value is "no data" in a legend."""
        colours = no_data_colours(legend)

        def is_no_data(value: Value) -> bool:
            if len(value) == 3:
                return any(distance(value[::order], colour) <= NEAR for colour in colours)
            if self.palette.get(value[0]) in colours:
                return True
            return any(_means(code, value[0], self.dtype) for code in legend.no_data)

        return is_no_data

    def _named_by_config(self, legend: Legend) -> Names | None:
        """The legend's codes, else its colours, else its classes in order: the first that explains 95 % is meant."""
        for ways in self._ways(legend):
            shares = [self.share(names, self.no_data_of(legend, order)) for names, order in ways]
            if shares and max(shares) >= Fraction(95, 100):
                return ways[shares.index(max(shares))][0]
        return None

    def _ways(self, legend: Legend) -> Iterator[list[tuple[Names, int]]]:
        if len(self.bands) == 3:
            yield [(by_colour(legend, order), order) for order in (1, -1)]
            return
        yield [(by_code(legend, codes), 1) for codes in legend.numberings]
        if self.palette:
            near, palette = by_colour(legend), self.palette
            yield [(lambda value: near(palette[value[0]]) if value[0] in palette else "", 1)]
        if not legend.numberings:
            yield [(by_code(legend, tuple(range(1, len(legend) + 1))), 1)]

    def _known_colours(self) -> Names | None:
        if 2 * sum(n for (red, green, blue), n in self.counts.items() if red == green == blue) > self.total:
            return None
        best: tuple[Fraction, Names | None] = (Fraction(0), None)
        for legend in builtin_legends().values():
            for order in (1, -1):
                names, is_no_data = by_colour(legend, order), self.no_data_of(legend, order)
                frequent = [v for v, n in self.counts.items() if 100 * n >= self.total and not is_no_data(v)]
                exact = all(value[::order] in legend.colors for value in frequent)
                share, classes = self.share(names, is_no_data), {names(value) for value in self.counts} - {""}
                if exact and len(classes) >= 3 and share >= Fraction(95, 100) and share > best[0]:
                    best = share, names
        return best[1]

    def _named_by_file(self) -> Names | None:
        if self.labels.named != self.bands[0]:
            return None
        nodata, rows = self.labels.nodata[self.bands[0] - 1], list(dict.fromkeys(self.labels.rows))
        rows = [row for row in rows if not (row[0] == row[1] and _means(nodata, row[0], self.dtype))]
        classes = [row for row in rows if row[2].casefold() not in NO_CLASS]
        if len(classes) > 254:
            classes = [row for row in classes if any(row[0] <= value <= row[1] for (value,) in self.counts)]
        if not 1 <= len(classes) <= 254:
            return None
        often = Counter(name for *_, name in classes)

        def row_of(value: Value) -> tuple[float, float, str] | None:
            return next((row for row in rows if row[0] <= value[0] <= row[1]), None)

        def names(value: Value) -> str:
            row = row_of(value)
            if row not in classes:
                return ""
            low, high, name = row
            codes = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            return f"{name} ({codes})" if often[name] > 1 else name

        def is_no_data(value: Value) -> bool:
            return row_of(value) is not None or self.palette.get(value[0]) == WHITE

        return names if self.share(names, is_no_data) >= Fraction(1, 2) else None

    def _product(self) -> Names | None:
        best = (Fraction(0), 0, None)
        for legend in builtin_legends().values():
            for codes in legend.numberings:
                names = by_code(legend, codes)
                near = [
                    name for name, code, colour in zip(legend.names, codes, legend.colors)
                    if code in self.palette and distance(self.palette[code], colour) <= NEAR
                ]  # fmt: skip
                lit = [name for name in near if any(legend.colors[legend.names.index(name)])]
                share = self.share(names, self.no_data_of(legend))
                occurring = {names(value) for value in self.counts} - {""}
                if len(lit) >= 3 and occurring <= set(near) and share >= Fraction(95, 100):
                    best = max(best, (share, len(near), names), key=lambda each: each[:2])
        return best[2]

    def _codes(self) -> Names | None:
        return (lambda value: f"class {int(value[0])}") if len(self.counts) <= 254 else None


def no_data_colours(legend: Legend) -> tuple[tuple[int, ...], ...]:
    """Return the colours of "no data": white, if the legend says nothing of it and has no white class."""
    return legend.no_data_colors or (() if WHITE in legend.colors else (WHITE,))


def distance(first: tuple[float, ...], second: tuple[int, ...]) -> float:
    """Return the L1 distance of two colours."""
    return sum(abs(a - b) for a, b in zip(first, second))


def by_code(legend: Legend, codes: tuple[int, ...]) -> Names:
    """Return the class of a code: codes[i] is class i."""
    return lambda value: next((name for name, code in zip(legend.names, codes) if code == value[0]), "")


def by_colour(legend: Legend, order: int = 1) -> Names:
    """Return the class of a colour: the nearest within 15, the first of equals, none where "no data" is nearer."""
    entries = [*zip(legend.names, legend.colors), *(("", colour) for colour in no_data_colours(legend))]

    def names(value: Value) -> str:
        name, colour = min(entries, key=lambda entry: distance(value[::order], entry[1]))
        return name if distance(value[::order], colour) <= NEAR else ""

    return names
