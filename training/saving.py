"""When the state of a training is saved: in time, and where it ends early."""

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
        state: of the training
        pending: steps that are logged before their state is saved
        checkpoints: of the run
        flush: writes to the disk what was reported so far
        faults: describes a training that diverged
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
        """Go on from a checkpoint of this run."""
        self._saved_step = checkpoint["step"]
        self.state.load_state_dict(checkpoint, self.checkpoints.folder)

    def is_due(self) -> bool:
        """Whether the last checkpoint is old enough for another one."""
        return self.checkpoints.is_due()

    def save(self) -> None:
        """Write a checkpoint, unless the weights are such that nothing can go on from them.

        Raises:
            UserError: a weight is not finite, or the disk refuses the file
        """
        self.pending.log()
        if not self.state.is_finite:
            raise self.faults.diverged(self.state.steps_done, "a weight is not finite")
        self.flush()  # first: what is reported must not be behind the checkpoint
        self.checkpoints.write(self.state.state_dict())
        self._saved_step = self.state.steps_done
        self.pending.restart_clock()

    @property
    def has_unsaved_steps(self) -> bool:
        """Whether steps were made since the last checkpoint."""
        return self.state.steps_done > self._saved_step

    @contextmanager
    def on_early_end(self) -> Iterator[None]:
        """Save the steps since the last checkpoint where a signal or a full memory ends the block.

        Raises:
            OutOfMemory: in place of any other error that says that memory is full
        """
        try:
            yield
        except (Interrupted, OutOfMemory):
            self._save_whole_steps()
            raise
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._save_whole_steps()
            tiles = "what is read ahead, evaluated or drawn, with tiles"
            keys = "'batch_size' or 'image_size'"
            raise self.faults.out_of_memory(error, self.state.steps_done, tiles, keys) from None

    def _save_whole_steps(self) -> None:
        """Save, unless one of the steps is half done."""
        if self.has_unsaved_steps and not (self.state.is_updating or self.pending.half_logged):
            self.save()
