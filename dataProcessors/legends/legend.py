"""Legends of label maps: from colours or codes to class indices, from class indices to proportions and labels."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NO_LABEL = 255  # class index of a pixel without a label
MAX_CODE = 2**53  # of a class; GDAL warps in doubles, which cannot distinguish larger integers
COLOUR_TOLERANCE = 15  # largest L1 distance over red, green and blue from a pixel to its legend colour


@dataclass(frozen=True)
class Legend:
    """Ordered classes of a label map; a class is its index 0..K-1 in these tuples.

    Attributes:
        name: of the legend ("osm", "clc", or the label map's own name)
        names: K class names
        colors: K (red, green, blue), each 0..255
        codes: K pixel values of the classes if the map holds codes, or None if it holds only colours
    """

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    codes: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)


def builtin_legends() -> dict[str, Legend]:
    """Return the legends of the project: "osm" (13 classes) and "clc" (44 classes)."""
    content = json.loads((Path(__file__).parent / "legends.json").read_text(encoding="utf8"))
    return {name: legend_from_json(name, legend["classes"]) for name, legend in content.items()}


def legend_from_json(name: str, classes: list[dict]) -> Legend:
    """Return a legend from a list of {"name": ..., "color": [r, g, b]}; all entries have a "code", or none has.

    Raises:
        ValueError: too few or too many classes, an invalid colour or code, a code that occurs twice
        KeyError, TypeError: not such a list
    """
    if not 1 <= len(classes) < NO_LABEL:
        raise ValueError(f"a legend has 1 to {NO_LABEL - 1} classes, got {len(classes)}")
    colors = tuple(tuple(c["color"]) for c in classes)
    for color in colors:
        if len(color) != 3 or not all(type(v) is int and 0 <= v <= 255 for v in color):
            raise ValueError(f"a colour is three whole numbers from 0 to 255, got {list(color)}")
    codes = tuple(c["code"] for c in classes) if "code" in classes[0] else None
    if codes and (not all(type(code) is int for code in codes) or len(set(codes)) < len(codes)):
        raise ValueError(f"codes are different whole numbers, got {list(codes)}")
    if codes and max(map(abs, codes)) > MAX_CODE:
        raise ValueError(f"codes must lie within ±2**53, got {max(codes, key=abs)}")
    return Legend(name, tuple(str(c["name"]) for c in classes), colors, codes)


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
    return np.where(shares.sum(1) > 0, shares.argmax(1), -1)
