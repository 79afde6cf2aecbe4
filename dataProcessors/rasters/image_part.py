"""A part of an image map whose tiles are read from its files, for a few tiles of a map that nothing is prepared of."""

from dataclasses import dataclass

import numpy as np

from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_map import ImageMap


@dataclass(frozen=True)
class ImagePart:
    """A part of an image map.

    Attributes:
        source: the image map
        window: the part
    """

    source: ImageMap
    window: Window

    @property
    def bands(self) -> tuple[int, ...]:
        """Numbers of the bands."""
        return self.source.bands

    @property
    def has_validity(self) -> bool:
        """Whether tiles have a last channel beside the bands, which is not 0 where a pixel holds data."""
        return self.source.has_validity

    def read(self, positions: np.ndarray, size: int) -> np.ndarray:
        """Read tiles (N, channels, size, size) at positions (N, 2), as TiffReader does."""
        return np.stack([self.source.read_counted(x, y, size, size)[0] for x, y in positions.tolist()])
