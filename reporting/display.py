"""Convert pixels of any type and number of bands to RGB colours for figures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dataProcessors.rasters.nodata import valid_mask

LOW_PERCENTILE, HIGH_PERCENTILE = 2, 98  # of the values of a band; shown as black and as full brightness


@dataclass(frozen=True)
class Display:
    """How the tiles of a map are shown: which three bands, and which of their values are black and full brightness.

    Attributes:
        bands: indices of the bands shown as red, green and blue
        low: for each of these bands, the value that is shown as 0
        high: for each of these bands, the value that is shown as 255
        has_validity: whether the last channel of a tile says where there is data
    """

    bands: tuple[int, int, int]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    has_validity: bool = False

    @classmethod
    def from_tiles(
        cls, sample_tiles: np.ndarray, has_validity: bool = False, shown: tuple[int, ...] = (0, 1, 2)
    ) -> Display:
        """Choose bands and limits from a sample of the map's tiles (N, channels, H, W) of any type.

        Maps of three uint8 bands are shown unchanged. Of other maps three bands are shown, or the first one in grey if
        there are fewer, each stretched from its 2 % to its 98 % percentile.

        Args:
            sample_tiles, has_validity: see `TiffReader.read`
            shown: indices of the bands that are shown as red, green and blue
        """
        number = sample_tiles.shape[1] - has_validity
        bands = (shown[0], shown[1], shown[2]) if number >= 3 else (0, 0, 0)
        if sample_tiles.dtype == np.uint8 and number == 3:
            return cls(bands, (0.0,) * 3, (255.0,) * 3, has_validity)
        has_data = valid_mask(sample_tiles, has_validity)  # (N, H, W)
        low, high = zip(*(_stretch_limits(sample_tiles[:, band][has_data]) for band in bands))
        return cls(bands, low, high, has_validity)

    def of_overview(self) -> Display:
        """Return how the overview of the map is shown, which holds the shown bands alone."""
        return replace(self, bands=(0, 1, 2) if len(set(self.bands)) == 3 else (0, 0, 0))

    def rgb(self, tiles: np.ndarray) -> np.ndarray:
        """Convert tiles (N, channels, H, W) of any type to RGB (N, H, W, 3) uint8; pixels without data are black."""
        shown = tiles[:, list(self.bands)].astype(np.float32)  # (N, 3, H, W)
        low, high = (np.array(values, np.float32)[:, None, None] for values in (self.low, self.high))
        scaled = np.clip((shown - low) / (high - low), 0, 1) * 255
        visible = np.where(valid_mask(tiles, self.has_validity)[:, None], scaled, 0)
        return np.rint(visible).astype(np.uint8).transpose(0, 2, 3, 1)  # (N, H, W, 3)


def _stretch_limits(values: np.ndarray) -> tuple[float, float]:
    """Return the two of the values (n,) that are shown as black and as full brightness.

    If all values are equal, the limits are one below and one above, so that they are shown as medium grey.
    """
    if not len(values):
        return 0.0, 1.0
    low, high = np.percentile(values.astype(np.float64), (LOW_PERCENTILE, HIGH_PERCENTILE))
    return (float(low), float(high)) if high > low else (float(low) - 1, float(low) + 1)
