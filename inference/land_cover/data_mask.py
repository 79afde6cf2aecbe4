"""Where the pixels of an image map hold data, by the map's own mask, strip by strip."""

import numpy as np

from dataProcessors.prepared.blocks import BLOCK
from dataProcessors.rasters.nodata import valid_mask
from dataProcessors.sampling.nodata_limit import NodataLimit
from dataProcessors.tiffreader import TiffReader


class DataMask:
    """Where an image map holds data. Pixels are read only in squares that the counts of blocks do not decide.

    Args:
        image: the map
    """

    def __init__(self, image: TiffReader):
        self.image, self.side = image, min(BLOCK, *image.window[2:])
        self._limit = NodataLimit(image.summary, self.side, max_nodata=0)
        self._is_certain = image.summary.exact or image.is_whole

    def strip(self, top: int, bottom: int) -> np.ndarray:
        """Return where there is data (bottom - top, width) bool in rows of the window, counted from its upper edge."""
        x, y, width, height = self.image.window
        tops = np.minimum(np.arange(top, bottom, self.side), height - self.side)
        lefts = np.minimum(np.arange(0, width, self.side), width - self.side)
        mask = np.ones((bottom - tops[0], width), bool)
        for row in tops:  # the last squares lie over others, where the side divides nothing
            positions = np.stack([x + lefts, np.full_like(lefts, y + row)], -1)
            unclear = ~self._limit.accepts(positions) if self._is_certain else np.ones(len(lefts), bool)
            tiles = self.image.read(positions[unclear], self.side)
            for left, square in zip(lefts[unclear], valid_mask(tiles, self.image.has_validity)):
                there = mask[row - tops[0] : row - tops[0] + self.side, left : left + self.side]
                there[:] = square[: len(there)]
        return mask[top - tops[0] :]
