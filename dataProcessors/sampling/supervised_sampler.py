"""Draws the tiles of a training step by label: same label for positives, another label for negatives."""

import numpy as np

from dataProcessors.sampling.area import SamplingError
from dataProcessors.sampling.dates import allowed_dates, dates_of
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.tile_sampler import TileSampler


class SupervisedSampler(TileSampler):
    """Positions by label, with the interface of ImageSampler: all tiles come from a class-balanced pool.

    Args:
        pool: labelled tiles of the training area
        random_reset: probability that the next anchor is drawn anywhere, else with the label of the last one
        seed: of the first draw
        positive_dates: date of a positive: "same" as its anchor, an "other" one, or "any"
    Raises:
        SamplingError: the pool has tiles of fewer than two classes
    """

    def __init__(self, pool: Pool, random_reset: float = 1.0, seed: int = 0, positive_dates: str = "same"):
        super().__init__(random_reset, seed)
        self.positive_dates = positive_dates
        order = np.lexsort((dates_of(pool.positions), pool.labels))
        # sorted by label, so that a class is a range, and within it by date, so that its tiles of a date are one too
        self.pool = pool.take(order)
        self.labels = self.pool.labels
        self.classes, self._first, self._count = np.unique(self.labels, return_index=True, return_counts=True)
        if len(self.classes) < 2:
            raise SamplingError("Supervised training needs tiles of at least two classes in the training area.")
        dates = dates_of(self.pool.positions)
        self._same_label, self._same_date = _ranges(self.labels), _ranges(self.labels * (dates.max() + 1) + dates)
        keys = _keys(self.pool.positions)
        self._by_key = np.argsort(keys)
        self._sorted_keys = keys[self._by_key]

    def label_of(self, positions: np.ndarray) -> np.ndarray:
        """Return the label (N,) of tiles (N, 2) of the pool.

        Raises:
            SamplingError: a tile is not in the pool
        """
        return self.labels[self._index_of(positions)]

    def proportions_of(self, positions: np.ndarray) -> np.ndarray:
        """Return the proportions (N, K) of tiles (N, 2) of the pool; see `label_of`."""
        return self.pool.proportions[self._index_of(positions)]

    def _index_of(self, positions: np.ndarray) -> np.ndarray:
        keys = _keys(np.asarray(positions, np.int64))
        index = np.minimum(np.searchsorted(self._sorted_keys, keys), len(self._sorted_keys) - 1)
        if (self._sorted_keys[index] != keys).any():
            raise SamplingError("Labels are known for tiles of the training pool only.")
        return self._by_key[index]

    @property
    def coordinates(self) -> int:
        """Number of coordinates of a position: 2, or 3 with a date."""
        return self.pool.positions.shape[1]

    def random_positions(self, n: int) -> np.ndarray:
        """Draw n tiles (n, 2) of the pool uniformly; the pool is class-balanced as far as the map allows."""
        return self.pool.positions[self.rng.integers(0, len(self.pool), n)]

    def try_positives(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw another tile (n, 2) with each anchor's label; return it and a mask (n,): False if there is no other."""
        return self._like(anchors, self.positive_dates)

    def try_near(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw another tile (n, 2) with each anchor's label, of any date; return it and a mask (n,) as above."""
        return self._like(anchors, "any")

    def _like(self, anchors: np.ndarray, rule: str) -> tuple[np.ndarray, np.ndarray]:
        """Draw a tile (n, 2) with each anchor's label, and of a date that the rule allows; return it and a mask (n,).

        The tiles of a label, or of a label and a date, are passed through as a circle, from behind those that are not
        allowed: the anchor, or the tiles of its date.
        """
        own = self._index_of(anchors)
        of_date = self._same_date[own]
        first, count = (of_date if rule == "same" else self._same_label[own]).T
        start, skipped = (of_date.sum(1), of_date[:, 1]) if rule == "other" else (own + 1, 1)
        allowed = count - skipped
        step = self.rng.integers(0, np.maximum(allowed, 1))
        return self.pool.positions[first + (start - first + step) % count], allowed > 0

    def try_negatives(self, anchors: np.ndarray, away_from: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw a tile (n, 2) of another label than each anchor (and `away_from`); return it and a mask (n,).

        The mask is False where there is none. All tiles of the other classes have the same probability.
        """
        allowed = self.classes != self.label_of(anchors)[:, None]  # (n, classes)
        if away_from is not None:
            allowed &= self.classes != self.label_of(away_from)[:, None]
        counts = self._count * allowed
        upto = counts.cumsum(1)
        drawn = self.rng.integers(0, np.maximum(upto[:, -1], 1))  # index among the allowed tiles
        group = (upto > drawn[:, None]).argmax(1)
        before = np.take_along_axis(upto - counts, group[:, None], 1)[:, 0]
        return self.pool.positions[self._first[group] + drawn - before], upto[:, -1] > 0

    def clusters(self, m: int, d: int) -> np.ndarray:
        """Draw m clusters of d different tiles with one label each, (m, d, 2), of as many labels as the pool allows.

        Raises:
            SamplingError: no class has d tiles
        """
        able = np.flatnonzero(self._count >= d)
        if not len(able):
            raise SamplingError(f"No class has {d} tiles in the training pool. Choose a smaller 'batch_size'.")
        rounds = [self.rng.permutation(able) for _ in range(-(-m // len(able)))]
        return np.stack([self._of_class(group, d) for group in np.concatenate(rounds)[:m]])

    def _of_class(self, group: int, d: int) -> np.ndarray:
        return self.pool.positions[self._first[group] + self.rng.choice(self._count[group], d, replace=False)]

    def masks(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which tiles (columns) may be positive and negative of which (rows): two (N, N) bool, by label."""
        index = self._index_of(positions)
        same_label = self.labels[index][:, None] == self.labels[index]
        another = index[:, None] != index
        return same_label & another & allowed_dates(positions, self.positive_dates), ~same_label


def _keys(positions: np.ndarray) -> np.ndarray:
    """Return one integer per position; no map has more than 2^28 rows or columns."""
    return dates_of(positions) << 56 | positions[:, 1] << 28 | positions[:, 0]


def _ranges(values: np.ndarray) -> np.ndarray:
    """Return, for each of the sorted values (P,), the first index and the number of those that are equal: (P, 2)."""
    _, first, inverse, counts = np.unique(values, return_index=True, return_inverse=True, return_counts=True)
    return np.stack([first, counts], 1)[inverse]
