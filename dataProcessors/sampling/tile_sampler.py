"""What all samplers share: draws that depend on the step alone, the walk of the anchors, whole tuples."""

from abc import ABC, abstractmethod

import numpy as np

from dataProcessors.sampling.area import SamplingError

ANCHORS_TRIED = 100  # for each tuple that is wanted, before tuples are taken to be impossible
STUCK = 0.1  # part of them after which the walk is taken to be where no tuple has room, and begins elsewhere


class TileSampler(ABC):
    """Positions of a training step's tiles.

    Args:
        random_reset: chance that the next anchor is drawn anywhere, else like a positive of the anchor before
        seed: of the first draw; `begin_step` makes each step's draws depend on the seed and the step alone
    """

    def __init__(self, random_reset: float, seed: int):
        self.random_reset, self.seed = random_reset, seed
        self.last_anchor = None
        self.rng = np.random.default_rng([seed])

    def begin_step(self, step: int, last_anchor: np.ndarray | None = None, stream: int | None = None) -> None:
        """Make the draws that follow those of step `step`: equal whatever was drawn before.

        Args:
            step: number of the step
            last_anchor: where the walk stood at the end of the step before, (2,); None: at no place yet
            stream: another series of draws of the same step than its main one
        """
        self.rng = np.random.default_rng([self.seed, step] + ([] if stream is None else [stream]))
        self.last_anchor = last_anchor

    @abstractmethod
    def random_positions(self, n: int) -> np.ndarray:
        """n places (n, 2) an anchor can have."""

    @abstractmethod
    def try_positives(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A positive (n, 2) for each anchor (n, 2), and a mask (n,) of the anchors for which one was found."""

    @abstractmethod
    def try_negatives(self, anchors: np.ndarray, away_from: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """A negative (n, 2) for each anchor and each of `away_from`, and a mask (n,) of those that were found."""

    @abstractmethod
    def clusters(self, m: int, d: int) -> np.ndarray:
        """m clusters of d different tiles: (m, d, 2)."""

    @abstractmethod
    def masks(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which tiles (columns) may serve which (rows) as positive and as negative: two (N, N) bool."""

    def anchors(self, n: int) -> np.ndarray:
        """n anchors (n, 2): each with chance `random_reset` anywhere, else like a positive of the anchor before."""
        if self.random_reset >= 1.0:
            anchors = self.random_positions(n)
        else:
            anchors = np.stack([self._next_anchor() for _ in range(n)])
        self.last_anchor = anchors[-1]
        return anchors

    def _next_anchor(self) -> np.ndarray:
        if self.last_anchor is not None and self.rng.random() >= self.random_reset:
            near, found = self.try_positives(self.last_anchor[None])
            if found[0]:
                self.last_anchor = near[0]
                return near[0]
        self.last_anchor = self.random_positions(1)[0]
        return self.last_anchor

    def positives(self, anchors: np.ndarray) -> np.ndarray:
        """One positive for each anchor: (n, 2).

        Raises:
            SamplingError: an anchor has no room for one
        """
        positions, found = self.try_positives(anchors)
        return _all(positions, found, anchors, "positive")

    def negatives(self, anchors: np.ndarray, away_from: np.ndarray | None = None) -> np.ndarray:
        """One negative for each anchor: (n, 2); one for `away_from` (n, 2) too if that is given.

        Raises:
            SamplingError: an anchor has no room for one
        """
        positions, found = self.try_negatives(anchors, away_from)
        return _all(positions, found, anchors, "negative")

    def tuples(self, n: int, negatives: int = 1) -> np.ndarray:
        """n anchors, each with a positive and one or two negatives far from one another: (n, 2 + negatives, 2).

        An anchor that has no room for them is replaced by the next one.

        Raises:
            SamplingError: hardly any place on the map has room for the distances asked for
        """
        complete, tried = np.empty((0, 2 + negatives, 2), np.int64), 0
        most = ANCHORS_TRIED * max(n, 10)
        while len(complete) < n and tried < most:
            if tried > STUCK * most:
                self.last_anchor = None
            drawn, found = self._try_tuples(self.anchors(n - len(complete)), negatives)
            complete, tried = np.concatenate([complete, drawn[found]]), tried + len(drawn)
        if len(complete) == n:
            return complete
        raise SamplingError(
            "Hardly any place of the training area has room for a positive and a negative at the distances asked for "
            "('min_pos_dist', 'max_pos_dist', 'min_neg_dist', 'max_neg_dist'). Choose smaller ones, or a larger map."
        )

    def _try_tuples(self, anchors: np.ndarray, negatives: int) -> tuple[np.ndarray, np.ndarray]:
        columns, found = [anchors], np.ones(len(anchors), bool)
        for draw in [self.try_positives] + [self.try_negatives] * negatives:
            away_from = [columns[2]] if len(columns) == 3 else []
            positions, complete = draw(anchors, *away_from)
            columns.append(positions)
            found &= complete
        return np.stack(columns, 1), found  # (n, 2 + negatives, 2), (n,)


def _all(positions: np.ndarray, found: np.ndarray, anchors: np.ndarray, role: str) -> np.ndarray:
    if found.all():
        return positions
    x, y = anchors[~found][0]
    raise SamplingError(f"The training area has no {role} for the tile at column {x}, row {y}.")
