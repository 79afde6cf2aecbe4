"""History of the training steps, for pictures: where tiles were sampled, and which tuples were hardest."""

from collections.abc import Callable

import numpy as np

from training.runs.checkpoint import to_arrays, to_tensors

MAX_SAMPLED = 400  # positions per role that are stored, to draw them on the map
MAX_HARDEST = 8  # tuples that are stored

# indices (k,) of loss terms -> role -> index (k,) in the batch of the tile in that role, -1: the term has none
TilesOfTerms = Callable[[np.ndarray], dict[str, np.ndarray]]


class SampledPositions:
    """Positions trained on so far, by role; evenly thinned out when there are more than MAX_SAMPLED."""

    def __init__(self) -> None:
        self._parts: dict[str, list[np.ndarray]] = {}
        self._stride: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def add(self, role: str, positions: np.ndarray) -> None:
        """Add the positions (n, 2) of tiles that were trained on in a role."""
        stride, seen = self._stride.setdefault(role, 1), self._seen.get(role, 0)
        self._seen[role] = seen + len(positions)
        thinned = positions[np.arange(seen, seen + len(positions)) % stride == 0]
        if not len(thinned):
            return
        self._parts.setdefault(role, []).append(thinned)
        if sum(map(len, self._parts[role])) > MAX_SAMPLED:
            self._parts[role] = [np.concatenate(self._parts[role])[::2]]
            self._stride[role] = 2 * stride

    def by_role(self) -> dict[str, np.ndarray]:
        """Return role -> positions (n, 2)."""
        return {role: np.concatenate(parts) for role, parts in self._parts.items()}

    def state_dict(self) -> dict:
        """Return the part of a checkpoint that belongs to this object."""
        return {"positions": to_tensors(self.by_role()), "stride": dict(self._stride), "seen": dict(self._seen)}

    def load_state_dict(self, state: dict) -> None:
        """Restore the state from what `state_dict` returned."""
        self._parts = {role: [positions] for role, positions in to_arrays(state["positions"]).items()}
        self._stride, self._seen = dict(state["stride"]), dict(state["seen"])


class HardestTuples:
    """The tuples with the largest loss since the last `clear`, largest first.

    Attributes:
        losses: loss of each tuple
        positions: for each tuple, role -> [x, y], or [x, y, date], of its tile
    """

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.positions: list[dict[str, list[int]]] = []

    def add(self, terms: np.ndarray, positions: np.ndarray, tiles_of_terms: TilesOfTerms) -> None:
        """Add the hardest tuples of a step.

        Args:
            terms: (n,) loss of each tuple, finite
            positions: (N, 2) positions of the batch's tiles
            tiles_of_terms: returns the tiles of terms; tuples without a tile in some role are left out
        """
        hardest = np.argsort(-terms, kind="stable")[:MAX_HARDEST]
        hardest = hardest[terms[hardest] > (self.losses[-1] if len(self.losses) == MAX_HARDEST else 0)]
        if not len(hardest):
            return
        tiles = tiles_of_terms(hardest)
        for index, term in enumerate(hardest):
            if all(indices[index] >= 0 for indices in tiles.values()):
                self.losses.append(float(terms[term]))
                self.positions.append({role: positions[indices[index]].tolist() for role, indices in tiles.items()})
        self._sort()

    def _sort(self) -> None:
        order = np.argsort(-np.array(self.losses), kind="stable")[:MAX_HARDEST]
        self.losses = [self.losses[i] for i in order]
        self.positions = [self.positions[i] for i in order]

    def tiles_by_role(self) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
        """Return the positions (n, 2) of all their tiles, and for each role its name and its indices into them."""
        roles = list(self.positions[0]) if self.positions else []
        of_tiles = [tiles[role] for role in roles for tiles in self.positions]
        positions = np.array(of_tiles, np.int64) if of_tiles else np.empty((0, 2), np.int64)
        indices = np.arange(len(positions)).reshape(len(roles), len(self.positions))
        return positions, list(zip(roles, indices))

    def clear(self) -> None:
        """Remove all tuples."""
        self.losses, self.positions = [], []

    def state_dict(self) -> dict:
        """Return the part of a checkpoint that belongs to this object."""
        return {"losses": list(self.losses), "positions": [dict(tiles) for tiles in self.positions]}

    def load_state_dict(self, state: dict) -> None:
        """Restore the state from what `state_dict` returned."""
        self.losses, self.positions = list(state["losses"]), list(state["positions"])
