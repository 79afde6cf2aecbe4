"""Which tiles have enough data: decided by the counts of blocks where these suffice, else by the pixels."""

from collections.abc import Callable, Sequence

import numpy as np

from dataProcessors.prepared.blocks import BLOCK, Summary, block_pixels, block_shape
from dataProcessors.rasters.grid import Window


class NodataLimit:
    """The limit on the share of a tile's pixels that may be without data.

    Args:
        summary: counts of pixels with data per block
        size: side of a tile in pixels
        max_nodata: largest nodata share of a tile's pixels
        nodata_share: positions (N, 2) -> exact nodata share (N,); called where the counts are not enough to decide;
            None: such tiles are not accepted
    """

    def __init__(
        self,
        summary: Summary,
        size: int,
        max_nodata: float = 0.1,
        nodata_share: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        self.size, self.max_nodata, self.nodata_share = size, max_nodata, nodata_share
        with_data = summary.counts[0].astype(np.int64)
        self._window = summary.window
        self._block_origin = np.array(summary.window[:2], np.int64)
        self._with_data = _integral(with_data)
        self._missing = _integral(block_pixels(summary.window) - with_data)
        self._exact = summary.exact

    def accepts(self, positions: np.ndarray) -> np.ndarray:
        """Return which tiles, all inside the window, have at most `max_nodata` of nodata pixels: (N,) bool."""
        first = (positions - self._block_origin) // BLOCK
        last = (positions - self._block_origin + self.size - 1) // BLOCK + 1
        pixels = self.size**2  # 29 / 100 is 0.29, but 0.29 * 100 is less than 29: so shares are compared
        most = _sums(self._missing, first, last) / pixels  # all nodata of its blocks is in the tile
        least = (pixels - _sums(self._with_data, first, last)) / pixels  # all their data is
        enough, too_few = self.max_nodata >= most, self.max_nodata < least
        if self.nodata_share is None:
            return enough
        unclear = ~enough & ~too_few if self._exact else np.ones(len(positions), bool)
        accepted = enough & ~unclear
        if unclear.any():
            accepted[unclear] = self.nodata_share(positions[unclear]) <= self.max_nodata
        return accepted

    def near_data(self) -> np.ndarray:
        """Return in which blocks (rows * columns,), row by row, the middle pixel of a tile with data can lie."""
        shape = block_shape(self._window)
        blocks = _blocks(shape)
        reach = -(-self.size // (2 * BLOCK))
        first, last = np.maximum(blocks - reach, 0), np.minimum(blocks + reach + 1, shape[::-1])
        return _sums(self._with_data, first, last) > 0

    def corners(self, chosen: np.ndarray) -> np.ndarray:
        """Return the corners (n, 2) of blocks that are chosen (rows * columns,)."""
        return self._block_origin + _blocks(block_shape(self._window))[chosen] * BLOCK


def corners_near_data(limits: Sequence[NodataLimit]) -> np.ndarray:
    """Return the corners (n, 2) of the blocks in which the middle pixel of a tile with data can lie, at any date.

    limits: of each date, all of them on the same blocks
    """
    return limits[0].corners(np.logical_or.reduce([limit.near_data() for limit in limits]))


def whole_summary(window: Window) -> Summary:
    """Return the counts of a window in which every pixel has data."""
    return Summary(window, block_pixels(window)[None])


def _blocks(shape: tuple[int, int]) -> np.ndarray:
    """Return column and row (n, 2) of all blocks, row by row."""
    return np.indices(shape).reshape(2, -1).T[:, ::-1]


def _integral(counts: np.ndarray) -> np.ndarray:
    return np.pad(counts.cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def _sums(integral: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the sum of the counts in the blocks first .. last (column and row, last excluded) of each tile."""
    (left, top), (right, bottom) = first.T, last.T
    return integral[bottom, right] - integral[top, right] - integral[bottom, left] + integral[top, left]
