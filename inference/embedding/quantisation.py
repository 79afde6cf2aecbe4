"""Embeddings in 8 bits: one scale for a map, so that the distances and products of stored values are theirs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inference.core.embedded_map import NODATA

LARGEST = 127  # of the stored values; -128 means "no data"
SAMPLE_TILES = 1024  # from which the scale is taken
HEADROOM = 1.25  # by so much values of other tiles may exceed those of the sample before they are clipped


@dataclass(frozen=True)
class Quantisation:
    """How embeddings are stored.

    Attributes:
        dtype: int8, or float32: as they are
        scale: value of an embedding = scale * stored value
        source: where the scale is from, in words
    """

    dtype: np.dtype
    scale: float
    source: str

    def stored(self, embeddings: np.ndarray) -> tuple[np.ndarray, int]:
        """Return embeddings (n, D) float32 as they are stored, and how many of their values were clipped."""
        if self.dtype == np.float32:
            return embeddings, 0
        steps = np.rint(embeddings / np.float32(self.scale))
        return np.clip(steps, -LARGEST, LARGEST).astype(np.int8), int((np.abs(steps) > LARGEST).sum())

    def missing(self, tiles: int, dimensions: int) -> np.ndarray:
        """Return what is stored (tiles, dimensions) for tiles without enough data."""
        return np.full((tiles, dimensions), NODATA if self.dtype == np.int8 else np.nan, self.dtype)


def choose_quantisation(float32: bool, unit_length: bool, sample: Callable[[], np.ndarray]) -> Quantisation:
    """Return how the embeddings of a map are stored.

    Args:
        float32: as they are; else in 8 bits
        unit_length: whether all embeddings have length 1, so that no value is beyond -1 .. 1; of many dimensions,
            hardly one is anywhere near
        sample: returns embeddings (n, D) of tiles from all over the map; not called for float32
    """
    if float32:
        return Quantisation(np.dtype(np.float32), 1.0, "stored as they are")
    largest = HEADROOM * float(np.abs(sample()).max()) or 1.0
    if unit_length and largest >= 1:
        return Quantisation(np.dtype(np.int8), 1 / LARGEST, "embeddings have length 1")
    source = f"{HEADROOM} times the largest value in a sample of up to {SAMPLE_TILES} tiles"
    return Quantisation(np.dtype(np.int8), largest / LARGEST, source)
