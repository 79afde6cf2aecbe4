"""Maps with missing data for tests of sampling, and masks of pixels to compare with."""

from functools import partial

import numpy as np
from maps_for_tests import counted

from dataProcessors.prepared.blocks import BLOCK, Summary
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.nodata_limit import NodataLimit


def reserved_pixels(area, spacing):
    """Return the mask (height, width) of pixels in reserved cells, which are repeated regularly in the whole window."""
    x, y, width, height = area.window
    size, period = area.size, spacing * area.size
    origin_x, origin_y = area.reserved_cells()[0]
    in_columns = ((np.arange(x, x + width) - origin_x) % period) < 2 * size
    in_rows = ((np.arange(y, y + height) - origin_y) % period) < 2 * size
    return in_rows[:, None] & in_columns


def touched(positions, size, window, mask):
    """Return which tiles (N,) have a pixel in the mask of the window, computed from a table of cumulative sums."""
    sums = np.pad(mask.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    left, top = (positions - window[:2]).T
    right, bottom = left + size, top + size
    assert left.min() >= 0 and top.min() >= 0 and right.max() <= window.width and bottom.max() <= window.height
    return sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left] > 0


class Map:
    """A map with missing data: its summary as preparation writes it, and exact shares of missing pixels."""

    def __init__(self, there, window):
        self.there, self.window, self.asked = there, window, 0
        block_x, block_y = window.x // BLOCK * BLOCK, window.y // BLOCK * BLOCK
        prepared = there[block_y : window.y + window.height, block_x : window.x + window.width]
        around = Window(block_x, block_y, prepared.shape[1], prepared.shape[0])
        self.summary = Summary(around, counted(prepared)[None].astype(np.uint16))

    def shares(self, positions, size):
        self.asked += len(positions)
        return np.array([(~self.there[y : y + size, x : x + size]).mean() for x, y in positions.tolist()])

    def area(self, size, max_nodata=0.1, spacing=4):
        limit = NodataLimit(self.summary, size, max_nodata, partial(self.shares, size=size))
        return Area(self.window, size, spacing, limit)


def a_third_missing(height=1500, width=1300, seed=0):
    rng = np.random.default_rng(seed)
    there = np.ones((height, width), bool)
    there[:, : width // 4] = False
    for x, y, side in zip(rng.integers(0, width, 60), rng.integers(0, height, 60), rng.integers(5, 90, 60)):
        there[y : y + side, x : x + side] = False
    return there
