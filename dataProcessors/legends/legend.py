"""Legends of label maps: from colours or codes to class indices, from class indices to proportions and labels."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

NO_LABEL = 255  # class index of a pixel without a label
MAX_CODE = 2**53  # of a class; GDAL warps in doubles, which cannot distinguish larger integers
COLOUR_TOLERANCE = 15  # largest L1 distance over red, green and blue from a pixel to its legend colour


Colour = tuple[int, int, int]  # red, green, blue, each 0..255
WHITE = (255, 255, 255)
TEXTS = ("title", "source", "url", "licence")
LEGEND_KEYS = {*TEXTS, "aliases", "classes", "code_sets", "no_data", "no_data_colors"}


@dataclass(frozen=True)
class Legend:
    """Ordered classes of a label map; a class is its index 0..K-1 in these tuples.

    Attributes:
        name: of the legend ("osm", "clc", or the label map's own name)
        names: K class names
        colors: K colours
        codes: K pixel values of the classes if the map holds codes, or None if it holds only colours
        code_sets: further numberings of the same classes, each K pixel values in the order of the classes
        no_data: pixel values that stand for "no data"
        no_data_colors: colours that stand for "no data"
        title: the product's name for people
        source, url, licence: who makes the product, where its legend is described, how it may be used
        aliases: further names by which a config may call the legend
    """

    name: str
    names: tuple[str, ...]
    colors: tuple[Colour, ...]
    codes: tuple[int, ...] | None = None
    code_sets: tuple[tuple[int, ...], ...] = ()
    no_data: tuple[int, ...] = ()
    no_data_colors: tuple[Colour, ...] = ()
    title: str = ""
    source: str = ""
    url: str = ""
    licence: str = ""
    aliases: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def numberings(self) -> tuple[tuple[int, ...], ...]:
        """All ways in which the classes are numbered, each K pixel values; () for a legend of colours alone."""
        return self.code_sets if self.codes is None else (self.codes, *self.code_sets)


@cache
def builtin_legends() -> dict[str, Legend]:
    """Return the legends of the project, of products/NAME.json: name -> legend.

    Those of few classes come first: where two explain a map equally well, as OSM's and CORINE's common colours, the
    smaller one says more.
    """
    files = sorted((Path(__file__).parent / "products").glob("*.json"))
    legends = [legend_from_json(file.stem, json.loads(file.read_text(encoding="utf8"))) for file in files]
    return {legend.name: legend for legend in sorted(legends, key=len)}


def find_builtin(word: str) -> Legend | None:
    """Return the legend of the project that has this name or alias, in letters of either case; None: there is none."""
    word = word.casefold()
    for legend in builtin_legends().values():
        if word in {each.casefold() for each in (legend.name, *legend.aliases)}:
            return legend
    return None


def legend_from_json(name: str, entry: dict[str, Any]) -> Legend:
    """Return a legend from the content of a file of products/, or of a user's legend file.

    Classes of equal names are told apart by their codes, or by their numbers from 1.

    Args:
        name: of the legend
        entry: {"classes": [{"name": ..., "color": [r, g, b], "code": ...}, ...]}; all classes have a code, or none.
            It may have "title", "source", "url", "licence" (texts), "aliases" (texts), "no_data" (codes),
            "no_data_colors" ([r, g, b] each), and "code_sets" (lists of a code for each class)
    Raises:
        ValueError: too few or too many classes, an invalid colour or code, a code that occurs twice, an unknown key
        KeyError, TypeError: not such an entry
    """
    if unknown := set(entry) - LEGEND_KEYS:
        raise ValueError(f"unknown keys {sorted(unknown)}; known are {', '.join(sorted(LEGEND_KEYS))}")
    classes = entry["classes"]
    if not 1 <= len(classes) < NO_LABEL:
        raise ValueError(f"a legend has 1 to {NO_LABEL - 1} classes, got {len(classes)}")
    codes = tuple(c["code"] for c in classes) if "code" in classes[0] else None
    code_sets = tuple(map(tuple, entry.get("code_sets", ())))
    no_data = tuple(entry.get("no_data", ()))
    for numbering in code_sets if codes is None else (codes, *code_sets):
        _check_codes(numbering, len(classes), no_data)
    names = told_apart([str(c["name"]) for c in classes], codes or range(1, len(classes) + 1))
    colours, without = _colours([c["color"] for c in classes]), _colours(entry.get("no_data_colors", ()))
    return Legend(
        name, names, colours, codes, code_sets, no_data, without,
        aliases=tuple(map(str, entry.get("aliases", ()))), **{key: str(entry.get(key, "")) for key in TEXTS},
    )  # fmt: skip


def told_apart(names: Sequence[str], marks: Iterable[object]) -> tuple[str, ...]:
    """Return names, with their marks behind those that occur more than once."""
    counts = Counter(names)
    return tuple(f"{name} ({mark})" if counts[name] > 1 else name for name, mark in zip(names, marks))


def _colours(listed: list[list[int]]) -> tuple[Colour, ...]:
    for colour in listed:
        if len(colour) != 3 or not all(type(v) is int and 0 <= v <= 255 for v in colour):
            raise ValueError(f"a colour is three whole numbers from 0 to 255, got {list(colour)}")
    return tuple((red, green, blue) for red, green, blue in listed)


def _check_codes(codes: tuple[int, ...], classes: int, no_data: tuple[int, ...]) -> None:
    if not all(type(code) is int for code in (*codes, *no_data)) or len(set(codes)) < len(codes):
        raise ValueError(f"codes are different whole numbers, got {list(codes)}")
    if len(codes) != classes:
        raise ValueError(f"each of 'code_sets' has a code for each of the {classes} classes, got {len(codes)} codes")
    if max(map(abs, codes)) > MAX_CODE:
        raise ValueError(f"codes must lie within ±2**53, got {max(codes, key=abs)}")
    if both := set(codes) & set(no_data):
        raise ValueError(f"a code is a class or 'no_data', not both, got {sorted(both)}")


def proportions(class_tiles: np.ndarray, classes: int) -> np.ndarray:
    """Return the share of each class among a tile's labelled pixels.

    Args:
        class_tiles: (N, ...) uint8 class indices, NO_LABEL where unlabelled
        classes: K
    Returns:
        (N, K) float32; a row sums to 1, or to 0 where the tile has no labelled pixel
    """
    flat = class_tiles.reshape(len(class_tiles), math.prod(class_tiles.shape[1:]))  # (N, P)
    offsets = np.arange(len(flat), dtype=np.int64)[:, None] * 256
    counts = np.bincount((flat + offsets).ravel(), minlength=len(flat) * 256).reshape(-1, 256)[:, :classes]
    return (counts / np.maximum(counts.sum(1, keepdims=True), 1)).astype(np.float32)


def dominant(shares: np.ndarray) -> np.ndarray:
    """Return the label of each tile: (N,) int64 argmax of its proportions (N, K); -1 for an unlabelled tile."""
    if not shares.shape[1]:  # of no label map
        return np.full(len(shares), -1)
    return np.where(shares.sum(1) > 0, shares.argmax(1), -1)


def labelled_or_all(labels: np.ndarray) -> np.ndarray:
    """Return the indices of the tiles with a label (N,) that is not -1; of all where none has one: no label map."""
    labelled = np.flatnonzero(labels >= 0)
    return labelled if len(labelled) else np.arange(len(labels))
