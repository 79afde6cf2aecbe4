"""Where the tiles of a training step come from when no labels are used: by distance on the map (Tile2Vec)."""

import numpy as np

from dataProcessors.sampling.area import Area, SamplingError
from dataProcessors.sampling.tile_sampler import TileSampler

PROPOSALS = 16  # places proposed at once for a tile; the first acceptable one is taken
ROUNDS = 16
MAX_DISTANCE = 2**40  # pixels, farther than any map is wide
RESTARTS = 20  # of drawing clusters that got stuck, before they are taken to be impossible


class ImageSampler(TileSampler):
    """Positions by map distance: near tiles are positives, far tiles negatives (Jean et al. 2019, arXiv:1805.02855).

    Distances are per axis and of either sign: a positive lies |dx| and |dy|, each uniform in [min_pos, max_pos] tile
    sides, from its anchor; a negative likewise in [min_neg, max_neg]. All tiles lie in the training area.

    Args:
        area: the training area
        min_pos, max_pos, min_neg, max_neg: distances in tile sides
        random_reset: chance that the next anchor (or centre of a cluster) is drawn anywhere, else near the last one
        seed: of the first draw; `begin_step` makes each step's draws depend on the seed and the step alone
    """

    # west, south, east, north in EPSG:4326: the part of the maps of Germany that is used
    rectangle = (5.97, 47.65, 15.03, 55.41)

    def __init__(self, area: Area, min_pos=1.0, max_pos=5.0, min_neg=10.0, max_neg=25.0, random_reset=1.0, seed=0):
        super().__init__(random_reset, seed)
        self.area = area
        pixels = [round(min(distance * area.size, MAX_DISTANCE)) for distance in (min_pos, max_pos, min_neg, max_neg)]
        self.min_pos, self.max_pos, self.min_neg, self.max_neg = pixels
        self._check_distances()

    def _check_distances(self) -> None:
        room = min(self.area.window.width, self.area.window.height) - self.area.size
        for name, distance in (("min_pos_dist", self.min_pos), ("min_neg_dist", self.min_neg)):
            if distance > room:
                raise SamplingError(
                    f"'{name}' is {distance:,} pixels ({distance / self.area.size:g} tile sides); two tiles can lie at "
                    f"most {room} pixels apart in the part of the image in use. Choose a smaller '{name}' or "
                    "'image_size'."
                )

    def random_positions(self, n: int) -> np.ndarray:
        """n places (n, 2) of the training area with equal chance."""
        return self.area.draw(n, self.rng)

    def try_positives(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A positive (n, 2) at min_pos to max_pos for each anchor, and a mask (n,) of those for which one was found."""
        return self._near(anchors, self.min_pos, self.max_pos)

    def try_negatives(self, anchors: np.ndarray, away_from=None) -> tuple[np.ndarray, np.ndarray]:
        """A negative (n, 2) at min_neg to max_neg for each anchor, and a mask (n,) of those for which one was found.

        It lies at least min_neg from `away_from` (n, 2) too if that is given; where no place within max_neg of the
        anchor does, any place on the map is taken that is far enough from both.
        """
        positions, found = self._near(anchors, self.min_neg, self.max_neg, away_from)
        if away_from is not None:
            for i in np.flatnonzero(~found):
                positions[i], found[i] = self._far_from(np.stack([anchors[i], away_from[i]]))
        return positions, found

    def _far_from(self, tiles: np.ndarray) -> tuple[np.ndarray, bool]:
        """A training tile anywhere at least min_neg from all of `tiles` (t, 2), and whether one was found."""
        proposed = self.area.draw(ROUNDS * PROPOSALS, self.rng)
        far = (chebyshev(proposed[:, None], tiles) >= self.min_neg).all(1)
        return proposed[far.argmax()], bool(far.any())

    def _near(self, anchors, low: int, high: int, away_from=None) -> tuple[np.ndarray, np.ndarray]:
        """A training tile at |dx|, |dy| in low .. high pixels from each anchor (n, 2), and for which one was found."""
        positions = np.array(anchors, np.int64)
        found = np.zeros(len(anchors), bool)
        for _ in range(ROUNDS):
            missing = np.flatnonzero(~found)
            if not len(missing):
                break
            shape = (len(missing), PROPOSALS, 2)
            offsets = self.rng.integers(low, high + 1, shape) * self.rng.choice([-1, 1], shape)
            proposed = anchors[missing, None] + offsets  # (missing, PROPOSALS, 2)
            good = self.area.fits(proposed.reshape(-1, 2)).reshape(shape[:2]) & offsets.any(-1)  # never itself
            if away_from is not None:
                good &= chebyshev(proposed, away_from[missing, None]) >= self.min_neg
            some = good.any(1)
            chosen, rows = proposed[some, good[some].argmax(1)], missing[some]
            with_data = self.area.has_data(chosen)  # asked for the chosen alone: pixels may have to be read for it
            positions[rows[with_data]] = chosen[with_data]
            found[rows[with_data]] = True
        return positions, found

    def clusters(self, m: int, d: int) -> np.ndarray:
        """m clusters of d different tiles around centres that lie at least min_neg apart: (m, d, 2).

        Raises:
            SamplingError: the map has no room for m centres so far apart, or for d tiles around one
        """
        for _ in range(RESTARTS):
            clusters = self._try_clusters(m, d)
            if clusters is not None:
                return clusters
        raise SamplingError(
            f"No {m} centres of clusters were found that lie {self.min_neg} pixels apart ('min_neg_dist') in the "
            f"training area of {self.area.window.width} x {self.area.window.height} pixels, each with {d} different "
            "tiles around it ('batch_size'). Choose fewer 'magnet_clusters', a smaller 'batch_size' or "
            "'min_neg_dist', or a larger 'max_pos_dist'."
        )

    def _try_clusters(self, m: int, d: int) -> np.ndarray | None:
        centres, clusters = np.empty((0, 2), np.int64), []
        last = self.last_anchor
        for _ in range(m):
            last, tiles = self._next_cluster(centres, last, d)
            if last is None:
                return None
            centres = np.concatenate([centres, last[None]])
            clusters.append(tiles)
        self.last_anchor = last
        return np.stack(clusters)

    def _next_cluster(self, centres: np.ndarray, last: np.ndarray | None, d: int):
        """A centre (2,) away from all others, and d tiles around it; None, None where none was found.

        It lies at a negative's distance from the last one or, by chance or need, anywhere.
        """
        walk = last is not None and self.rng.random() >= self.random_reset
        for _ in range(ROUNDS):
            proposed = self._far_places(last) if walk else self.area.draw(PROPOSALS, self.rng)
            apart = proposed[(chebyshev(proposed[:, None], centres) >= self.min_neg).all(1)]
            tiles = self._around(apart[0], d) if len(apart) else None
            if tiles is not None:
                return apart[0], tiles
            walk = False
        return None, None

    def _far_places(self, tile: np.ndarray) -> np.ndarray:
        proposed, found = self._near(np.repeat(tile[None], PROPOSALS, 0), self.min_neg, self.max_neg)
        return proposed[found]

    def _around(self, centre: np.ndarray, d: int) -> np.ndarray | None:
        """d different tiles (d, 2), each drawn like a positive of the centre; None where there is no room for them."""
        tiles = np.empty((0, 2), np.int64)
        for _ in range(ROUNDS):
            drawn, found = self.try_positives(np.repeat(centre[None], d - len(tiles), 0))
            tiles = distinct(np.concatenate([tiles, drawn[found]]))
            if len(tiles) == d:
                return tiles
        return None

    def masks(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which tiles (columns) may serve which (rows) as positive and as negative: two (N, N) bool, by distance."""
        apart = chebyshev(positions[:, None], positions[None])  # (N, N)
        another = apart > 0  # the same place in another row of the batch is the same tile
        return (apart >= self.min_pos) & (apart <= self.max_pos) & another, (apart >= self.min_neg) & another


def chebyshev(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The larger of |dx| and |dy| in pixels, over the last axis."""
    x, y = (np.abs(first[..., axis] - second[..., axis]) for axis in (0, 1))
    return np.maximum(x, y)  # many times as fast as a maximum over an axis of two


def distinct(positions: np.ndarray) -> np.ndarray:
    """Positions (N, 2) without repetitions, in the order of their first appearance."""
    return positions[np.sort(np.unique(positions, axis=0, return_index=True)[1])]
