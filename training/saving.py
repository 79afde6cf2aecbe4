"""When the state of a training is saved: regularly, and when the training ends early."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from training.pending_steps import PendingSteps
from training.runs.checkpoint import Checkpoints
from training.runs.faults import Faults, OutOfMemory, is_out_of_memory
from training.runs.interruption import Interrupted
from training.training_state import TrainingState


class Saver:
    """Saves the state of a training as the run's last checkpoint.

    Args:
        state: state of the training
        pending: steps that must be logged before a checkpoint is written
        checkpoints: checkpoint files of the run
        flush: writes everything reported so far to the disk
        faults: makes the error message if the training diverged
    """

    def __init__(
        self,
        state: TrainingState,
        pending: PendingSteps,
        checkpoints: Checkpoints,
        flush: Callable[[], None],
        faults: Faults,
    ):
        self.state, self.pending, self.checkpoints = state, pending, checkpoints
        self.flush, self.faults = flush, faults
        self._saved_step = 0

    def load(self, checkpoint: dict) -> None:
        """Load the state from a checkpoint of this run."""
        self._saved_step = checkpoint["step"]
        self.state.load_state_dict(checkpoint, self.checkpoints.folder)

    def is_due(self) -> bool:
        """Whether the last checkpoint is older than `checkpoint_minutes`."""
        return self.checkpoints.is_due()

    def save(self) -> None:
        """Log the pending steps, then write a checkpoint, unless a weight is NaN or infinite.

        Raises:
            UserError: a weight is not finite, or the file cannot be written
        """
        self.pending.log()
        if not self.state.is_finite:
            raise self.faults.divergence_error(self.state.steps_done, "a weight is not finite")
        self.flush()  # before the checkpoint: reports on the disk must never lack a saved step
        self.checkpoints.write(self.state.state_dict())
        self._saved_step = self.state.steps_done
        self.pending.restart_clock()

    @property
    def has_unsaved_steps(self) -> bool:
        """Whether steps were trained since the last checkpoint."""
        return self.state.steps_done > self._saved_step

    @contextmanager
    def save_on_early_end(self) -> Iterator[None]:
        """Save the steps since the last checkpoint if a signal or a lack of memory ends the block.

        Raises:
            OutOfMemory: replaces any other error that means that the memory is full
        """
        try:
            yield
        except (Interrupted, OutOfMemory):
            self._save_finished_steps()
            raise
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._save_finished_steps()
            work = "reading ahead, evaluating or drawing, with tiles"
            keys = "'batch_size' or 'image_size'"
            raise self.faults.out_of_memory_error(error, self.state.steps_done, work, keys) from None

    def _save_finished_steps(self) -> None:
        """Save a checkpoint, unless the weights or the logs may be in the middle of a step."""
        if self.has_unsaved_steps and not (self.state.is_updating or self.pending.is_logging):
            self.save()
