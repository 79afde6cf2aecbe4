"""Draws the tiles of a training step without labels: by distance on the map (Tile2Vec)."""

import numpy as np

from dataProcessors.sampling.area import Area, SamplingError
from dataProcessors.sampling.dates import (
    CLUSTER_RULES,
    POSITIVE_DATES,
    allowed_dates,
    at_dates,
    dates_of,
    without_dates,
)
from dataProcessors.sampling.tile_sampler import TileSampler

PROPOSALS = 16  # positions proposed at once for a tile; the first valid one is used
MAX_ROUNDS = 16
MAX_DISTANCE = 2**40  # pixels, farther than any map is wide
MAX_RESTARTS = 20  # attempts to draw the clusters, before they count as impossible


class ImageSampler(TileSampler):
    """Positions by map distance: near tiles are positives, far tiles negatives (Jean et al. 2019, arXiv:1805.02855).

    Distances are per axis, with either sign: a positive lies |dx| and |dy|, each uniform in [min_pos, max_pos] tile
    sides, from its anchor; a negative likewise in [min_neg, max_neg]. All tiles lie in the training area. Where that
    has several dates, the date of every anchor, every negative and every cluster is drawn.

    Args:
        area: the training area
        min_pos, max_pos, min_neg, max_neg: distances in tile sides
        random_reset: probability that the next anchor (or cluster centre) is drawn anywhere, else near the last one
        seed: of the first draw; after `begin_step`, draws depend only on the seed and the step
        positive_dates: date of a positive: "same" as its anchor, an "other" one, or "any". A cluster has tiles of one
            date with "same", else of any
    """

    # west, south, east, north in EPSG:4326: the part of the German maps that is used
    rectangle = (5.97, 47.65, 15.03, 55.41)

    def __init__(
        self, area: Area, min_pos: float = 1.0, max_pos: float = 5.0, min_neg: float = 10.0, max_neg: float = 25.0,
        random_reset: float = 1.0, seed: int = 0, positive_dates: str = "same",
    ):  # fmt: skip
        super().__init__(random_reset, seed)
        self.area, self.positive_dates = area, positive_dates
        pixels = [round(min(distance * area.size, MAX_DISTANCE)) for distance in (min_pos, max_pos, min_neg, max_neg)]
        self.min_pos, self.max_pos, self.min_neg, self.max_neg = pixels
        self._check_distances()

    def _check_distances(self) -> None:
        largest = min(self.area.window.width, self.area.window.height) - self.area.size
        for name, distance in (("min_pos_dist", self.min_pos), ("min_neg_dist", self.min_neg)):
            if distance > largest:
                raise SamplingError(
                    f"'{name}' is {distance:,} pixels ({distance / self.area.size:g} tile sides); two tiles can lie at "
                    f"most {largest} pixels apart in the part of the image in use. Choose a smaller '{name}' or "
                    "'image_size'."
                )

    @property
    def coordinates(self) -> int:
        """Number of coordinates of a position: 2, or 3 with a date."""
        return self.area.coordinates

    def random_positions(self, n: int) -> np.ndarray:
        """Draw n positions (n, 2), uniformly over the training area."""
        return self.area.draw(n, self.rng)

    def try_positives(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw a positive (n, 2) at min_pos to max_pos for each anchor; return it and a mask (n,) of those found."""
        return self._near(anchors, self.min_pos, self.max_pos, self.positive_dates)

    def try_near(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw a tile (n, 2) as for a positive, but at any date; return it and a mask (n,) of those found."""
        return self._near(anchors, self.min_pos, self.max_pos)

    def try_negatives(self, anchors: np.ndarray, away_from: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw a negative (n, 2) at min_neg to max_neg for each anchor; return it and a mask (n,) of those found.

        If `away_from` (n, 2) is given, the negative also lies at least min_neg from that tile. If no position within
        max_neg of the anchor does, any position on the map that is far enough from both is used.
        """
        positions, found = self._near(anchors, self.min_neg, self.max_neg, away_from=away_from)
        if away_from is not None:
            for i in np.flatnonzero(~found):
                positions[i], found[i] = self._far_from(np.stack([anchors[i], away_from[i]]))
        return positions, found

    def _far_from(self, tiles: np.ndarray) -> tuple[np.ndarray, bool]:
        """Draw a training tile at least min_neg from all of `tiles` (t, 2); return it and whether one was found."""
        proposed = self.area.draw(MAX_ROUNDS * PROPOSALS, self.rng)
        far = (chebyshev(proposed[:, None], tiles) >= self.min_neg).all(1)
        return proposed[far.argmax()], bool(far.any())

    def _near(
        self, anchors: np.ndarray, low: int, high: int, rule: str = "any", away_from: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a training tile at |dx|, |dy| in low .. high pixels from each anchor (n, 2); return a mask (n,) too.

        rule: for the tile's date, see POSITIVE_DATES
        """
        positions = np.array(anchors, np.int64)
        found = np.zeros(len(anchors), bool)
        for _ in range(MAX_ROUNDS):
            missing = np.flatnonzero(~found)
            if not len(missing):
                break
            shape = (len(missing), PROPOSALS, 2)
            offsets = self.rng.integers(low, high + 1, shape) * self.rng.choice([-1, 1], shape)
            starts = np.broadcast_to(anchors[missing, None], (*shape[:2], self.coordinates))
            dates = POSITIVE_DATES[rule](dates_of(starts), self.area.dates, self.rng)
            moved = without_dates(starts) + offsets
            proposed = at_dates(moved, dates, self.area.dates)  # (missing, PROPOSALS, coordinates)
            good = self.area.fits(proposed) & (proposed != starts).any(-1)  # not the anchor itself
            if away_from is not None:
                good &= chebyshev(proposed, away_from[missing, None]) >= self.min_neg
            some = good.any(1)
            chosen, rows = proposed[some, good[some].argmax(1)], missing[some]
            with_data = self.area.has_data(chosen)  # only for the chosen ones: this may read pixels
            positions[rows[with_data]] = chosen[with_data]
            found[rows[with_data]] = True
        return positions, found

    def clusters(self, m: int, d: int) -> np.ndarray:
        """Draw m clusters of d different tiles around centres that lie at least min_neg apart: (m, d, 2).

        Raises:
            SamplingError: the map cannot hold m centres so far apart, or d tiles around a centre
        """
        for _ in range(MAX_RESTARTS):
            clusters = self._try_clusters(m, d)
            if clusters is not None:
                return clusters
        raise SamplingError(
            f"No {m} cluster centres were found that lie {self.min_neg} pixels apart ('min_neg_dist') in the "
            f"training area of {self.area.window.width} x {self.area.window.height} pixels, each with {d} different "
            "tiles around it ('batch_size'). Choose fewer 'magnet_clusters', a smaller 'batch_size' or "
            "'min_neg_dist', or a larger 'max_pos_dist'."
        )

    def _try_clusters(self, m: int, d: int) -> np.ndarray | None:
        centres, clusters = np.empty((0, self.coordinates), np.int64), []
        last = self.last_anchor
        for _ in range(m):
            cluster = self._next_cluster(centres, last, d)
            if cluster is None:
                return None
            last, tiles = cluster
            centres = np.concatenate([centres, last[None]])
            clusters.append(tiles)
        self.last_anchor = last
        return np.stack(clusters)

    def _next_cluster(
        self, centres: np.ndarray, last: np.ndarray | None, d: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Draw a centre (2,) far from all others, and d tiles around it; None if none was found.

        It lies at a negative's distance from the last centre or, by random_reset or if that fails, anywhere.
        """
        near = last if last is not None and self.rng.random() >= self.random_reset else None
        for _ in range(MAX_ROUNDS):
            proposed = self._far_positions(near) if near is not None else self.area.draw(PROPOSALS, self.rng)
            apart = proposed[(chebyshev(proposed[:, None], centres) >= self.min_neg).all(1)]
            tiles = self._around(apart[0], d) if len(apart) else None
            if tiles is not None:
                return apart[0], tiles
            near = None
        return None

    def _far_positions(self, tile: np.ndarray) -> np.ndarray:
        proposed, found = self._near(np.repeat(tile[None], PROPOSALS, 0), self.min_neg, self.max_neg)
        return proposed[found]

    def _around(self, centre: np.ndarray, d: int) -> np.ndarray | None:
        """Draw d different tiles (d, 2), each like a positive of the centre; None if they do not fit."""
        tiles, rule = np.empty((0, self.coordinates), np.int64), CLUSTER_RULES[self.positive_dates]
        for _ in range(MAX_ROUNDS):
            centres = np.repeat(centre[None], d - len(tiles), 0)
            drawn, found = self._near(centres, self.min_pos, self.max_pos, rule)
            tiles = distinct(np.concatenate([tiles, drawn[found]]))
            if len(tiles) == d:
                return tiles
        return None

    def masks(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which tiles (columns) may be positive and negative of which (rows): two (N, N) bool, by distance."""
        apart = chebyshev(positions[:, None], positions[None])  # (N, N)
        near, dates = (apart >= self.min_pos) & (apart <= self.max_pos), dates_of(positions)
        # the same position in another row of the batch is the same tile, unless its date is another one
        another = (apart > 0) | (dates[:, None] != dates)
        positive = near & another & allowed_dates(positions, self.positive_dates)
        return positive, (apart >= self.min_neg) & (apart > 0)


def chebyshev(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the larger of |dx| and |dy| in pixels, over the last axis."""
    x, y = (np.abs(first[..., axis] - second[..., axis]) for axis in (0, 1))
    return np.maximum(x, y)  # many times faster than a maximum over an axis of length two


def distinct(positions: np.ndarray) -> np.ndarray:
    """Return positions (N, 2 or 3) without repetitions, in the order of their first occurrence."""
    return positions[np.sort(np.unique(positions, axis=0, return_index=True)[1])]
