"""Batches of a training step: positions are drawn, and the pixels there are read.

A batch depends on the step's number and on what is known when its task is created, so that it may be made ahead of its
step. Where several processes train together, each draws the whole batch, as a single process would, and reads its own
share.
"""

import copy
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from dataProcessors.sampling.batch import Batch
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.share import WHOLE
from dataProcessors.sampling.tile_sampler import TileSampler

OFFLINE_DRAWS = 10  # new candidates per anchor in offline mining
Reader = Callable[[np.ndarray], np.ndarray]  # positions (N, 2 or 3) -> tiles (N, C, size, size)


class TupleBatches:
    """Batches of tuples: B anchors, their positives, and one or two negatives each, role after role.

    Args:
        sampler: draws the positions
        read: reads their pixels
        anchors: B
        roles: ("anchor", "positive", "negative") or with "negative2"
        offline: roles that get OFFLINE_DRAWS new candidates per anchor

    Attributes:
        share: the tiles that are read
    """

    share = WHOLE

    def __init__(
        self, sampler: TileSampler, read: Reader, anchors: int, roles: tuple[str, ...], offline: tuple[str, ...] = ()
    ):
        self.sampler, self.read, self.anchors, self.roles, self.offline = sampler, read, anchors, roles, offline
        self.last_anchor: np.ndarray | None = None

    def task(self, step: int) -> Callable[[], Batch]:
        """Return a function that creates the batch of a step; batches must be created in the order of the steps."""
        return lambda: self._make(step)

    @property
    def size(self) -> int:
        """Number of tiles in a batch."""
        return self.anchors * len(self.roles)

    def _make(self, step: int) -> Batch:
        self.sampler.begin_step(step, self.last_anchor)
        tuples = self.sampler.tuples(self.anchors, len(self.roles) - 2)  # (B, roles, 2 or 3)
        self.last_anchor = self.sampler.last_anchor
        candidates = {role: self._candidates(tuples, role) for role in self.offline}
        positions = np.concatenate(tuples.swapaxes(0, 1))  # role after role
        rows = np.arange(len(positions)).reshape(len(self.roles), -1)
        positive, negative = self.sampler.masks(positions)
        return Batch(
            step, positions, self.read(self.share.of(positions)), dict(zip(self.roles, rows)), positive, negative,
            candidates, last_anchor=self.last_anchor, share=self.share,
        )  # fmt: skip

    def _candidates(self, tuples: np.ndarray, role: str) -> tuple[np.ndarray, np.ndarray]:
        """Draw new candidates for a role; if none is found, the tile that was drawn first is repeated."""
        anchors = np.repeat(tuples[:, 0], OFFLINE_DRAWS, 0)
        draw = self.sampler.try_positives if role == "positive" else self.sampler.try_negatives
        drawn, found = draw(anchors)
        instead = np.repeat(tuples[:, self.roles.index(role)], OFFLINE_DRAWS, 0)
        positions = np.where(found[:, None], drawn, instead)
        positions = positions.reshape(-1, OFFLINE_DRAWS, positions.shape[1])
        tiles = self.read(np.concatenate(self.share.of(positions)))
        return positions, tiles.reshape(-1, OFFLINE_DRAWS, *tiles.shape[1:])

    def second_negatives(self, step: int, anchors: np.ndarray, negatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw second negatives (n, 2) far from anchors and negatives (n, 2); return them and a mask of those found."""
        sampler = copy.copy(self.sampler)  # the sampler itself may be drawing the next batch now
        sampler.begin_step(step, stream=1)
        return sampler.try_negatives(anchors, negatives)

    def masks(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sampler's masks (N, N) for other positions than those of the batch."""
        return self.sampler.masks(positions)


class ClusterBatches:
    """Batches of clusters around centres on the map: M clusters of D tiles, each cluster a class of its own.

    Attributes:
        share: the tiles that are read
    """

    share = WHOLE

    def __init__(self, sampler: TileSampler, read: Reader, clusters: int, tiles: int):
        self.sampler, self.read, self.clusters, self.tiles = sampler, read, clusters, tiles
        self.last_anchor: np.ndarray | None = None

    def task(self, step: int) -> Callable[[], Batch]:
        """Return a function that creates the batch of a step; batches must be created in the order of the steps."""
        return lambda: self._make(step)

    @property
    def size(self) -> int:
        """Number of tiles in a batch."""
        return self.clusters * self.tiles

    def _make(self, step: int) -> Batch:
        self.sampler.begin_step(step, self.last_anchor)
        positions = np.concatenate(self.sampler.clusters(self.clusters, self.tiles))
        self.last_anchor = self.sampler.last_anchor
        clusters = np.repeat(np.arange(self.clusters), self.tiles)
        return Batch(
            step, positions, self.read(self.share.of(positions)), cluster_roles(clusters), clusters=clusters,
            last_anchor=self.last_anchor, share=self.share,
        )  # fmt: skip


class ChosenTiles(Protocol):
    """The tiles that an index chose for a batch; see mining.ClusterBatch, of which this package knows nothing."""

    @property
    def tiles(self) -> np.ndarray:
        """Indices (n,) of the tiles in the pool."""

    @property
    def clusters(self) -> np.ndarray:
        """Cluster (n,) of each tile, numbered within the batch."""

    @property
    def cluster_classes(self) -> np.ndarray:
        """Class (m,) of each cluster."""

    @property
    def cluster_ids(self) -> np.ndarray:
        """Number (m,) of each cluster in the index."""

    def _asdict(self) -> dict[str, Any]:
        """Return all of them by name, as every NamedTuple does."""


class TileChooser(Protocol):
    """The part of mining.ClusterIndex that the batches need."""

    def draw(self, m: int, d: int, rng: np.random.Generator) -> ChosenTiles:
        """Choose up to d tiles of each of up to m clusters."""


class IndexBatches:
    """Batches of clusters that a cluster index over a labelled pool chooses.

    Args:
        pool: the tiles of the index
        read: reads pixels
        clusters: M, tiles: D of a batch
        seed: of the draws

    Attributes:
        index: set, and later replaced, by the training; its `draw(M, D, rng)` chooses the tiles
        drawn: step -> the tiles that the index chose, for steps that are not finished
        share: the tiles that are read
    """

    share = WHOLE

    def __init__(self, pool: Pool, read: Reader, clusters: int, tiles: int, seed: int):
        self.pool, self.read, self.clusters, self.tiles, self.seed = pool, read, clusters, tiles, seed
        self.index: TileChooser | None = None
        self.drawn: dict[int, ChosenTiles] = {}
        self.last_anchor: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of tiles in a batch, if the index has enough clusters."""
        return self.clusters * self.tiles

    def task(self, step: int) -> Callable[[], Batch]:
        """Return a function that reads the batch of a step; its tiles are drawn now, unless they were drawn before."""
        if step not in self.drawn:
            assert self.index is not None  # the training sets it before the first step of an epoch
            self.drawn[step] = self.index.draw(self.clusters, self.tiles, np.random.default_rng([self.seed, step]))
        drawn = self.drawn[step]
        positions = self.pool.positions[drawn.tiles]
        return lambda: Batch(
            step, positions, self.read(self.share.of(positions)), cluster_roles(drawn.clusters),
            clusters=drawn.clusters, cluster_classes=drawn.cluster_classes, cluster_ids=drawn.cluster_ids,
            share=self.share,
        )  # fmt: skip


def cluster_roles(clusters: np.ndarray) -> dict[str, np.ndarray]:
    """Return the name of each cluster of a batch -> the indices of its tiles."""
    return {f"cluster {m}": np.flatnonzero(clusters == m) for m in np.unique(clusters)}
