"""Draws the tiles of a training step by label: same label for positives, another label for negatives."""

import numpy as np

from dataProcessors.sampling.area import SamplingError
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.tile_sampler import TileSampler


class SupervisedSampler(TileSampler):
    """Positions by label, with the interface of ImageSampler: all tiles come from a class-balanced pool.

    Args:
        pool: labelled tiles of the training area
        random_reset: probability that the next anchor is drawn anywhere, else with the label of the last one
        seed: of the first draw
    Raises:
        SamplingError: the pool has tiles of fewer than two classes
    """

    def __init__(self, pool: Pool, random_reset: float = 1.0, seed: int = 0):
        super().__init__(random_reset, seed)
        order = np.argsort(pool.labels, kind="stable")
        self.pool = pool.take(order)  # sorted by label, so that a class is a range
        self.labels = self.pool.labels
        self.classes, self._first, self._count = np.unique(self.labels, return_index=True, return_counts=True)
        if len(self.classes) < 2:
            raise SamplingError("Supervised training needs tiles of at least two classes in the training area.")
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
        place = np.minimum(np.searchsorted(self._sorted_keys, keys), len(self._sorted_keys) - 1)
        if (self._sorted_keys[place] != keys).any():
            raise SamplingError("Labels are known for tiles of the training pool only.")
        return self._by_key[place]

    def random_positions(self, n: int) -> np.ndarray:
        """Draw n tiles (n, 2) of the pool uniformly; the pool is class-balanced as far as the map allows."""
        return self.pool.positions[self.rng.integers(0, len(self.pool), n)]

    def try_positives(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw another tile (n, 2) with each anchor's label; return it and a mask (n,): False if there is no other."""
        own = self._index_of(anchors)
        group = np.searchsorted(self.classes, self.labels[own])
        first, count = self._first[group], self._count[group]
        step = 1 + self.rng.integers(0, np.maximum(count - 1, 1))  # through the class, but never back to the anchor
        return self.pool.positions[first + (own - first + step) % count], count > 1

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
        return same_label & (index[:, None] != index), ~same_label


def _keys(positions: np.ndarray) -> np.ndarray:
    """Return one integer per position."""
    return positions[:, 1] << 32 | positions[:, 0]
