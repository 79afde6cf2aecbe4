"""Snapshots: the features that an evaluation needs, from the current network or from a checkpoint."""

import logging

from config import UserError
from dataProcessors.sampling.dates import without_dates
from training.execution.device import Execution
from training.runs.checkpoint import BEST, Checkpoints, cloned_state
from training.runs.faults import OutOfMemory
from training.scoring.evaluator import EmbedPositions, Evaluator
from training.scoring.fit_tiles import save_fit_tiles
from training.scoring.snapshot import Snapshot
from training.steps.history import SampledPositions
from training.training_state import TrainingState

log = logging.getLogger(__name__)


class Snapshots:
    """Takes snapshots of a network, so that training can continue while they are scored.

    Args:
        state: state of the training, with the network
        evaluator: knows which tiles are needed
        embed_together: positions (N, 2) -> embeddings (N, D) float32, from the current weights, by all processes
        embed_alone: the same, by this process; the first one alone reads checkpoints of networks to be evaluated
        checkpoints: checkpoint files of the run
        execution: how both compute
    """

    def __init__(
        self,
        state: TrainingState,
        evaluator: Evaluator,
        embed_together: EmbedPositions,
        embed_alone: EmbedPositions,
        checkpoints: Checkpoints,
        execution: Execution,
    ):
        self.state, self.evaluator = state, evaluator
        self.embed_together, self.embed_alone = embed_together, embed_alone
        self.checkpoints, self.execution = checkpoints, execution

    def current(self) -> Snapshot:
        """Return a snapshot of the current network, in every process; all must do this at once."""
        return self._take(self.state.steps_done, self.state.progress.sampled, self.embed_together)

    def current_alone(self) -> Snapshot:
        """Return the same, computed by this process."""
        return self._take(self.state.steps_done, self.state.progress.sampled, self.embed_alone)

    def from_checkpoint(self, name: str) -> Snapshot | None:
        """Return a snapshot of the network in a checkpoint file of this run.

        None, after a warning, if the file is missing or damaged.
        """
        try:
            return self._take_with_weights_of(self.checkpoints.load(name))
        except OutOfMemory:
            raise
        except UserError as error:
            log.warning("The network in %s is not evaluated or drawn: %s", name, error)
            return None

    def keep_fit_tiles(self, snapshot: Snapshot) -> None:
        """Keep the embeddings of the tiles to fit on, of the network that is best.pt now, for `classify`."""
        positions = self.evaluator.fit.positions
        if len(positions):
            save_fit_tiles(self.checkpoints.folder / BEST, positions, snapshot.features.fit, self.execution)

    def _take_with_weights_of(self, checkpoint: dict) -> Snapshot:
        network, sampled = self.state.network, SampledPositions()
        current = cloned_state(network.state_dict())
        sampled.load_state_dict(checkpoint["progress"]["sampled"])
        try:
            network.load_state_dict(checkpoint["network"])
            return self._take(checkpoint["step"], sampled, self.embed_alone)
        finally:
            network.load_state_dict(current)

    def _take(self, step: int, sampled: SampledPositions, embed: EmbedPositions) -> Snapshot:
        features = self.evaluator.embed("trained" if step else "untrained", embed)
        return Snapshot(step, features, {role: without_dates(tiles) for role, tiles in sampled.by_role().items()})
