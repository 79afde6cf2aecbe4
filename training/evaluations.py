"""Which networks of a training are evaluated, each with a checkpoint before."""

from config import Config
from training.runs.checkpoint import EVALUATING
from training.runs.interruption import Interruption
from training.saving import Saver
from training.scoring.schedule import EvaluationSchedule
from training.snapshots import Snapshots
from training.training_state import TrainingState


class Evaluations:
    """Evaluates the untrained network and that of every so many epochs.

    The network is saved first: what is lost if the process ends meanwhile is the evaluation, which the next one makes.

    Args:
        config: of the run
        state: of the training
        saver: saves it
        schedule: evaluates snapshots
        snapshots: takes them
        interruption: keeps signals away from what must not be broken off
    """

    def __init__(
        self,
        config: Config,
        state: TrainingState,
        saver: Saver,
        schedule: EvaluationSchedule,
        snapshots: Snapshots,
        interruption: Interruption,
    ):
        self.config, self.state, self.saver = config, state, saver
        self.schedule, self.snapshots, self.interruption = schedule, snapshots, interruption

    def start(self) -> None:
        """Evaluate the untrained network, or what an earlier process of this run has left to be evaluated."""
        pending = self.state.pending_evaluation
        if self.state.is_untrained or pending == self.state.steps_done:
            self.run()
            return
        if pending is not None:
            self._run_on_checkpoint()
        self.run_if_due()  # the earlier process may have ended while this evaluation waited for the one before

    def run_if_due(self) -> None:
        """Evaluate the network if it is due after the steps done; else only save them."""
        done = self.state.steps_done
        if self.config.is_evaluated_after(done) and self.schedule.scored_step < done:
            self.run()
        elif self.saver.has_unsaved_steps:
            with self.interruption.deferred():
                self.saver.save()

    def run(self) -> None:
        """Save the network, then evaluate it: at once, or while training goes on."""
        self.schedule.wait()
        with self.interruption.deferred():
            self.state.pending_evaluation = self.state.steps_done
            self.saver.save()
            self.saver.checkpoints.save_for_evaluation()
        self.schedule.submit(self.snapshots.current(), self._end)

    def finish(self) -> None:
        """Wait for what is pending, and draw the figures of the best and of the last network."""
        self.schedule.finish(self.snapshots.of_checkpoint)

    def _run_on_checkpoint(self) -> None:
        """Evaluate the network whose evaluation was pending, while training went on, when the run ended."""
        snapshot = self.snapshots.of_checkpoint(EVALUATING)
        if snapshot is None:
            self.state.pending_evaluation = None
        else:
            self.schedule.submit(snapshot, self._end)

    def _end(self, is_best: bool) -> None:
        self.saver.checkpoints.mark_evaluated(is_best)
        self.state.pending_evaluation = None
