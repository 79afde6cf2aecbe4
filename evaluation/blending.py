"""Blending: the mean of what overlapping windows say of each pixel. Independent of maps and of torch.

Every window says one value of each class for all its pixels: its votes, probabilities or proportions. So the means are
constant between the edges of windows, in cells, and are computed once per cell: along one axis, then along the other,
over the few windows that cover it. A patch of any size is blended in strips (`Axis.part`). The sums of a pixel are
added in the same order in every strip, so that strips of all heights give the same bits.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

UNKNOWN = 255  # class of a pixel without a true class, or that no window covers
TIE_DECIMALS = 9  # sums of votes that are equal to this many decimals are equal, except for rounding errors


@dataclass(frozen=True)
class Axis:
    """The windows along one axis of a patch, and the cells between their edges.

    Attributes:
        starts: (n,) int, first pixel of each window, ascending; a part of a window may lie outside the patch
        size: side of a window in pixels
        side: pixels of the patch along the axis
    """

    starts: np.ndarray
    size: int
    side: int

    @cached_property
    def edges(self) -> np.ndarray:
        """The edges (m + 1,) of the m cells, from 0 to `side`."""
        return np.unique(np.concatenate([[0, self.side], self.starts, self.starts + self.size]).clip(0, self.side))

    @property
    def lengths(self) -> np.ndarray:
        """Pixels (m,) of each cell along the axis."""
        return np.diff(self.edges)

    def touching(self, first: int, stop: int) -> slice:
        """Return which windows have one of the pixels from `first` to before `stop`."""
        low, high = np.searchsorted(self.starts, [first - self.size + 1, stop]).tolist()
        return slice(low, high)

    def part(self, first: int, stop: int) -> "Axis":
        """Return the axis of the pixels from `first` to before `stop`, with the windows `touching` them."""
        return Axis(self.starts[self.touching(first, stop)] - first, self.size, stop - first)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sums (m, ...) over the windows that cover each cell, in order. values: (n, ...) of the windows."""
        cells = self.edges[:-1]
        first = np.searchsorted(self.starts, cells - self.size + 1)
        stop = np.searchsorted(self.starts, cells, "right")
        total = np.zeros((len(cells), *values.shape[1:]), values.dtype)
        for step in range((stop - first).max(initial=0)):
            covered = first + step < stop
            total[covered] += values[first[covered] + step]
        return total


@dataclass(frozen=True)
class Blend:
    """The sums of what windows say, in the cells of a patch; `blend` makes it.

    Attributes:
        rows, columns: axes of the patch, with m and n cells
        sums: (m, n, K) float64
        windows: (m, n) int64, how many windows say something
    """

    rows: Axis
    columns: Axis
    sums: np.ndarray
    windows: np.ndarray

    @cached_property
    def winners(self) -> np.ndarray:
        """The classes (m, n) uint8 of the largest sum, of equal sums the lowest one; UNKNOWN where no window votes."""
        return np.where(self.windows > 0, self.sums.round(TIE_DECIMALS).argmax(-1), UNKNOWN).astype(np.uint8)

    def means(self) -> np.ndarray:
        """Return the means (m, n, K) over the windows that say something; zeros where none does."""
        return self.sums / np.maximum(self.windows, 1)[..., None]

    def confidence(self) -> np.ndarray:
        """Return the mean (m, n) that the winner has; 0 where no window votes."""
        of_class = np.minimum(self.winners, self.sums.shape[-1] - 1).astype(np.int64)[..., None]
        return np.take_along_axis(self.sums, of_class, -1)[..., 0] / np.maximum(self.windows, 1)

    def pixels(self, cells: np.ndarray) -> np.ndarray:
        """Return what cells (m, n) hold for each pixel of the patch: (height, width)."""
        return cells.repeat(self.columns.lengths, axis=1).repeat(self.rows.lengths, axis=0)


def blend(values: np.ndarray, rows: Axis, columns: Axis) -> Blend:
    """Blend what the windows of a grid say.

    Args:
        values: (R, C, K), 0 or more; all zeros where a window says nothing
        rows: axis with the R rows of windows
        columns: axis with the C columns of windows
    """
    values = values.astype(np.float64, copy=False)
    sums = rows.sums(columns.sums(values.swapaxes(0, 1)).swapaxes(0, 1))
    says = np.asarray(values.any(-1), np.int64)
    return Blend(rows, columns, sums, rows.sums(columns.sums(says.T).T))
