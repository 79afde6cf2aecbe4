"""The base class of all samplers: draws that depend only on the step, the sequence of anchors, complete tuples."""

from abc import ABC, abstractmethod

import numpy as np

from dataProcessors.sampling.area import SamplingError

MAX_ANCHORS_PER_TUPLE = 100  # anchors tried per tuple, before drawing fails
RESTART_SHARE = 0.1  # share of these anchors after which the sequence of anchors restarts anywhere


class TileSampler(ABC):
    """Draws the positions of a training step's tiles.

    Positions are as in dataProcessors.sampling.dates: (n, 2), or (n, 3) with a date where the map has several. Where a
    comment says (n, 2), both are meant.

    Args:
        random_reset: probability that the next anchor is drawn anywhere, else like a positive of the previous anchor
        seed: of the first draw; after `begin_step`, draws depend only on the seed and the step
    """

    def __init__(self, random_reset: float, seed: int):
        self.random_reset, self.seed = random_reset, seed
        self.last_anchor: np.ndarray | None = None
        self.rng = np.random.default_rng([seed])

    def begin_step(self, step: int, last_anchor: np.ndarray | None = None, stream: int | None = None) -> None:
        """Seed the generator for step `step`: the following draws do not depend on earlier ones.

        Args:
            step: number of the step
            last_anchor: the last anchor of the previous step, (2,) or (3,); None: there is none
            stream: another sequence of draws of the same step; None: the main sequence
        """
        self.rng = np.random.default_rng([self.seed, step] + ([] if stream is None else [stream]))
        self.last_anchor = last_anchor

    @property
    @abstractmethod
    def coordinates(self) -> int:
        """Number of coordinates of a position: 2, or 3 with a date."""

    @abstractmethod
    def random_positions(self, n: int) -> np.ndarray:
        """Draw n positions (n, 2) that an anchor can have."""

    @abstractmethod
    def try_positives(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw a positive (n, 2) for each anchor (n, 2); return it and a mask (n,) of those found."""

    @abstractmethod
    def try_near(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw a tile (n, 2) as for a positive, but at any date; return it and a mask (n,) of those found."""

    @abstractmethod
    def try_negatives(self, anchors: np.ndarray, away_from: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw a negative (n, 2) of each anchor and of `away_from`; return it and a mask (n,) of those found."""

    @abstractmethod
    def clusters(self, m: int, d: int) -> np.ndarray:
        """Draw m clusters of d different tiles: (m, d, 2)."""

    @abstractmethod
    def masks(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which tiles (columns) may be positive and negative of which (rows): two (N, N) bool."""

    def anchors(self, n: int) -> np.ndarray:
        """Draw n anchors (n, 2): with probability `random_reset` anywhere, else like a positive of the last anchor."""
        if self.random_reset >= 1.0:
            anchors = self.random_positions(n)
        else:
            anchors = np.stack([self._next_anchor() for _ in range(n)])
        self.last_anchor = anchors[-1]
        return anchors

    def _next_anchor(self) -> np.ndarray:
        if self.last_anchor is not None and self.rng.random() >= self.random_reset:
            near, found = self.try_near(self.last_anchor[None])
            if found[0]:
                self.last_anchor = near[0]
                return near[0]
        anchor = self.last_anchor = self.random_positions(1)[0]
        return anchor

    def positives(self, anchors: np.ndarray) -> np.ndarray:
        """Draw one positive for each anchor: (n, 2).

        Raises:
            SamplingError: there is none for an anchor
        """
        positions, found = self.try_positives(anchors)
        return _require_all(positions, found, anchors, "positive")

    def negatives(self, anchors: np.ndarray, away_from: np.ndarray | None = None) -> np.ndarray:
        """Draw one negative for each anchor: (n, 2); it is a negative of `away_from` (n, 2) too if that is given.

        Raises:
            SamplingError: there is none for an anchor
        """
        positions, found = self.try_negatives(anchors, away_from)
        return _require_all(positions, found, anchors, "negative")

    def tuples(self, n: int, negatives: int = 1) -> np.ndarray:
        """Draw n anchors, each with a positive and one or two negatives far from one another: (n, 2 + negatives, 2).

        An anchor for which they cannot be drawn is replaced by the next one.

        Raises:
            SamplingError: tuples with the configured distances fit almost nowhere on the map
        """
        complete, tried = np.empty((0, 2 + negatives, self.coordinates), np.int64), 0
        limit = MAX_ANCHORS_PER_TUPLE * max(n, 10)
        while len(complete) < n and tried < limit:
            if tried > RESTART_SHARE * limit:
                self.last_anchor = None
            drawn, found = self._try_tuples(self.anchors(n - len(complete)), negatives)
            complete, tried = np.concatenate([complete, drawn[found]]), tried + len(drawn)
        if len(complete) == n:
            return complete
        raise SamplingError(
            "A positive and a negative at the configured distances fit almost nowhere in the training area "
            "('min_pos_dist', 'max_pos_dist', 'min_neg_dist', 'max_neg_dist'). Choose smaller ones or a larger map."
        )

    def _try_tuples(self, anchors: np.ndarray, negatives: int) -> tuple[np.ndarray, np.ndarray]:
        columns, found = [anchors], np.ones(len(anchors), bool)
        for draw in [self.try_positives] + [self.try_negatives] * negatives:
            away_from = [columns[2]] if len(columns) == 3 else []
            positions, complete = draw(anchors, *away_from)
            columns.append(positions)
            found &= complete
        return np.stack(columns, 1), found  # (n, 2 + negatives, 2), (n,)


def _require_all(positions: np.ndarray, found: np.ndarray, anchors: np.ndarray, role: str) -> np.ndarray:
    if found.all():
        return positions
    x, y = anchors[~found][0, :2]
    raise SamplingError(f"The training area has no {role} for the tile at column {x}, row {y}.")
