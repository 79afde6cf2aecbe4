"""Forward passes between training steps: what the network of the moment says of tiles, and what is fitted to it."""

from contextlib import AbstractContextManager

import numpy as np

from training.forward import ForwardPass
from training.runs.faults import Faults
from training.training_state import TrainingState


class PassesBetweenSteps:
    """Embeds tiles from the current weights; an error says at which step, and how many tiles were embedded.

    Args:
        forward: computes the embeddings of tiles
        state: state of the training
        faults: turns errors into messages for the user
    """

    def __init__(self, forward: ForwardPass, state: TrainingState, faults: Faults):
        self.forward, self.state, self.faults = forward, state, faults

    def embed_together(self, positions: np.ndarray, with_fourier: bool = True) -> np.ndarray:
        """Return the embeddings (N, D) float32 of the tiles at positions (N, 2), from the current weights.

        All processes must do this at once, with equal positions. Without Fourier features: what the loss sees.
        """
        with self._catch(f"embedding {len(positions)} tiles"):
            return self.forward.embed_together(positions, with_fourier)

    def embed_alone(self, positions: np.ndarray) -> np.ndarray:
        """Return the same as `embed_together`, computed by this process."""
        with self._catch(f"embedding {len(positions)} tiles"):
            return self.forward.embed_positions(positions)

    def fit_fourier_features(self) -> None:
        """Fit what of an embedding is fitted to trained weights; all processes must do this at once."""
        with self._catch(f"embedding {2 * self.forward.fourier_pairs} tiles"):
            self.forward.fit_fourier_features()

    def estimate_batchnorm_statistics(self) -> None:
        """Set the batch-norm statistics of the untrained network; training starts from them."""
        work = f"batch-norm statistics of {self.forward.statistics_tiles} tiles"
        with self._catch(work, "'image_size'"):
            self.forward.estimate_batchnorm_statistics()

    def _catch(self, work: str, keys: str = "") -> AbstractContextManager[None]:
        return self.faults.catch(self.state.steps_done, " outside of a step", work, keys)
