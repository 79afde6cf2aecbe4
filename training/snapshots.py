"""What is to be evaluated of a network: as it is now, or as a checkpoint of the run holds it."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from config import UserError
from training.runs import checkpoint as checkpoints
from training.runs.faults import OutOfMemory
from training.scoring.schedule import Scorer, Snapshot
from training.steps.history import Sampled
from training.training_state import TrainingState

log = logging.getLogger(__name__)


class Snapshots:
    """Takes the features that an evaluation needs, so that the network may change while they are scored.

    Args:
        state: of the training, with its network
        scorer: knows whose features are needed
        embed_positions: positions (N, 2) -> embeddings (N, D) float32, by the network as it is
        folder: of the run, with its checkpoints
    """

    def __init__(
        self, state: TrainingState, scorer: Scorer, embed_positions: Callable[[np.ndarray], np.ndarray], folder: Path
    ):
        self.state, self.scorer, self.embed_positions, self.folder = state, scorer, embed_positions, folder

    def now(self) -> Snapshot:
        """Of the network as it is now."""
        return self._taken(self.state.steps_done, self.state.progress.sampled)

    def of(self, name: str) -> Snapshot | None:
        """Of the network in a checkpoint of this run, by file name; None where that cannot be had."""
        try:
            return self._of_kept(checkpoints.load(self.folder / name))
        except OutOfMemory:
            raise
        except UserError as error:
            log.warning("The network of %s is not evaluated or drawn: %s", name, error)
            return None

    def _of_kept(self, kept: dict) -> Snapshot:
        network, sampled = self.state.network, Sampled()
        now = checkpoints.copied(network.state_dict())
        sampled.load_state_dict(kept["progress"]["sampled"])
        try:
            network.load_state_dict(kept["network"])
            return self._taken(kept["step"], sampled)
        finally:
            network.load_state_dict(now)

    def _taken(self, step: int, sampled: Sampled) -> Snapshot:
        features = self.scorer.evaluator.embed("trained" if step else "untrained", self.embed_positions)
        return Snapshot(step, features, sampled.copy())
