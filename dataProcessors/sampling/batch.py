"""The tiles of one training step, and what is known of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dataProcessors.sampling.share import WHOLE, Share


@dataclass
class Batch:
    """Tiles of one step.

    Attributes:
        step: its number
        positions: (N, 2) int64, or (N, 3) with dates; see dataProcessors.sampling.dates
        tiles: (n, C, size, size) in the map's own dtype, those of the share
        roles: role of tiles -> their indices, e.g. "anchor" -> (B,)
        positive, negative: (N, N) bool, which tiles (columns) may be used for which (rows); None for clusters
        candidates: role -> positions (B, OFFLINE_DRAWS, 2 or 3) and tiles (b, OFFLINE_DRAWS, C, size, size), those of
            the share's anchors
        clusters: (N,) int64, the cluster of each tile within the batch; None for tuples
        cluster_classes: (M,) int64 class of each cluster; None: each cluster is a class
        cluster_ids: (M,) int64, the clusters of the index that was drawn from; None: no index
        last_anchor: (2,) or (3,), the sampler's last anchor after this step
        share: which tiles this process has read; N = n if they are all
        device_tiles: waits for the tiles on the device, if they were copied there in advance; None: they were not
    """

    step: int
    positions: np.ndarray
    tiles: np.ndarray
    roles: dict[str, np.ndarray]
    positive: np.ndarray | None = None
    negative: np.ndarray | None = None
    candidates: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    clusters: np.ndarray | None = None
    cluster_classes: np.ndarray | None = None
    cluster_ids: np.ndarray | None = None
    last_anchor: np.ndarray | None = None
    share: Share = WHOLE
    device_tiles: Callable[[], Any] | None = None

    @property
    def own_roles(self) -> dict[str, np.ndarray]:
        """Role -> indices of the tiles that this process has read, counted among these."""
        rank, number = self.share.rank, self.share.number
        return {role: indices[indices % number == rank] // number for role, indices in self.roles.items()}
