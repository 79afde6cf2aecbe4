"""Features of tiles, kept in the cache so that they are computed once: of yardsticks, and of tiles to fit on."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataProcessors.sampling.pool import DAMAGE_ERRORS
from storage import atomic_write

log = logging.getLogger(__name__)
FEATURES = "features"  # folder of the features in the cache

Compute = Callable[[np.ndarray], np.ndarray]  # positions (N, 2) -> features (N, D) float32


@dataclass(frozen=True)
class FeatureStore:
    """Features of tiles of one map, in files that appear whole.

    Attributes:
        cache: folder of the cache; None: nothing is stored
        map_key: name of the prepared map that the tiles lie on
        identity: what else determines the features of all feature sets, such as the size of a tile
    """

    cache: Path | None
    map_key: str
    identity: dict[str, object]

    def stored(self, name: str, identity: dict[str, object], compute: Compute) -> Compute:
        """Return a function that computes features only where the cache does not hold them, or not undamaged.

        Args:
            name: of the feature set
            identity: what determines the features of this set beside map, tiles and `FeatureStore.identity`
            compute: positions (N, 2) -> features (N, D) float32
        """

        def features(positions: np.ndarray) -> np.ndarray:
            if self.cache is None:
                return compute(positions)
            digest = self._digest(positions, {"name": name, **identity})
            path = self.cache / FEATURES / f"{name}-{digest[:16]}.npz"
            found = _load(path, digest, len(positions)) if path.exists() else None
            return self._save(path, digest, compute(positions)) if found is None else found

        return features

    def _digest(self, positions: np.ndarray, identity: dict[str, object]) -> str:
        drawn = hashlib.sha256(np.ascontiguousarray(positions, np.int64).tobytes()).hexdigest()
        whole = {"map": self.map_key, "positions": drawn, **self.identity, **identity}
        return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()

    def _save(self, path: Path, digest: str, features: np.ndarray) -> np.ndarray:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, features=features, digest=np.array(digest), maps=np.array([self.map_key]))
        return features


def _load(path: Path, digest: str, number: int) -> np.ndarray | None:
    """Return the features (number, D) of a file; None, after a warning, if it is damaged or holds others."""
    try:
        with np.load(path, allow_pickle=False) as content:
            features, of = content["features"], str(content["digest"])
        if of != digest or features.ndim != 2 or len(features) != number or features.dtype != np.float32:
            raise ValueError("it holds something else")
    except DAMAGE_ERRORS as error:
        log.warning("%s is damaged: %s. The features are computed again", path, error)
        return None
    return features
