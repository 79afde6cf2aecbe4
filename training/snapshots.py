"""Snapshots: the features that an evaluation needs, from the current network or from a checkpoint."""

import logging

from config import UserError
from dataProcessors.sampling.dates import without_dates
from training.passes import PassesBetweenSteps
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
        passes: embeds tiles from the current weights
        checkpoints: checkpoint files of the run
    """

    def __init__(
        self,
        state: TrainingState,
        evaluator: Evaluator,
        passes: PassesBetweenSteps,
        checkpoints: Checkpoints,
    ):
        self.state, self.evaluator = state, evaluator
        self.passes, self.checkpoints = passes, checkpoints

    def fit(self) -> None:
        """Fit what of an embedding is fitted to the current weights, in every process; all must do this at once."""
        self.passes.fit_fourier_features()

    def current(self) -> Snapshot:
        """Return a snapshot of the current network, in every process; all must do this at once."""
        return self._take(self.state.steps_done, self.state.progress.sampled, self.passes.embed_together)

    def current_alone(self) -> Snapshot:
        """Return the same, computed by this process."""
        return self._take(self.state.steps_done, self.state.progress.sampled, self.passes.embed_alone)

    def from_checkpoint(self, name: str) -> Snapshot | None:
        """Return a snapshot of the network in a checkpoint file of this run, which the first process alone reads.

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
            save_fit_tiles(
                self.checkpoints.folder / BEST, positions, snapshot.features.fit, self.passes.forward.execution
            )

    def _take_with_weights_of(self, checkpoint: dict) -> Snapshot:
        network, sampled = self.state.network, SampledPositions()
        current = cloned_state(network.state_dict())
        sampled.load_state_dict(checkpoint["progress"]["sampled"])
        try:
            network.load_state_dict(checkpoint["network"])
            return self._take(checkpoint["step"], sampled, self.passes.embed_alone)
        finally:
            network.load_state_dict(current)

    def _take(self, step: int, sampled: SampledPositions, embed: EmbedPositions) -> Snapshot:
        features = self.evaluator.embed("trained" if step else "untrained", embed)
        return Snapshot(step, features, {role: without_dates(tiles) for role, tiles in sampled.by_role().items()})
