"""From pixels of any kind to colours that people can look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DARKEST, BRIGHTEST = 2, 98  # percentiles of a band that are shown as black and as full brightness


@dataclass(frozen=True)
class Display:
    """How the tiles of a map are shown: which three bands, and which of their values are black and fully bright.

    Attributes:
        bands: indices of the bands shown as red, green and blue
        low: value of each of these that is shown as 0
        high: value of each of these that is shown as 255
        fill: value that stands for no data where all bands hold it; None: there is none
    """

    bands: tuple[int, int, int]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    fill: float | None = None

    @classmethod
    def of(cls, sample_tiles: np.ndarray, fill: float | None = None) -> Display:
        """The display of a map, after a sample of its tiles (N, C, H, W) of any type.

        Three bands of uint8 are shown as they are; else the first three, or the first alone as grey where there are
        fewer, each stretched from its 2 % to its 98 % percentile.
        """
        bands = (0, 1, 2) if sample_tiles.shape[1] >= 3 else (0, 0, 0)
        if sample_tiles.dtype == np.uint8 and sample_tiles.shape[1] == 3:
            return cls(bands, (0.0,) * 3, (255.0,) * 3, fill)
        present = _present(sample_tiles, bands, fill)  # (N, H, W)
        low, high = zip(*(_stretch(sample_tiles[:, band][present]) for band in bands))
        return cls(bands, low, high, fill)

    def rgb(self, tiles: np.ndarray) -> np.ndarray:
        """Tiles (N, C, H, W) of any type -> (N, H, W, 3) uint8; pixels without data are black."""
        shown = tiles[:, list(self.bands)].astype(np.float32)  # (N, 3, H, W)
        low, high = (np.array(values, np.float32)[:, None, None] for values in (self.low, self.high))
        scaled = np.clip((shown - low) / (high - low), 0, 1) * 255
        visible = np.where(_present(tiles, self.bands, self.fill)[:, None], scaled, 0)
        return np.rint(visible).astype(np.uint8).transpose(0, 2, 3, 1)  # (N, H, W, 3)


def _present(tiles: np.ndarray, bands: tuple[int, ...], fill: float | None) -> np.ndarray:
    """Which pixels of tiles (N, C, H, W) have data to show: (N, H, W) bool."""
    finite = np.isfinite(tiles[:, list(bands)]).all(axis=1)
    return finite if fill is None else finite & (tiles != fill).any(axis=1)


def _stretch(values: np.ndarray) -> tuple[float, float]:
    """Values (n,) -> those that are shown as black and as full brightness; a single value comes out as mid-grey."""
    if not len(values):
        return 0.0, 1.0
    low, high = np.percentile(values.astype(np.float64), (DARKEST, BRIGHTEST))
    return (float(low), float(high)) if high > low else (float(low) - 1, float(low) + 1)
