"""When a network is evaluated during training; a checkpoint is always written first."""

from config import Config
from training.execution.processes import ALONE, Processes
from training.runs.checkpoint import EVALUATING
from training.runs.interruption import Interruption
from training.saving import Saver
from training.scoring.schedule import EvaluationSchedule
from training.snapshots import Snapshots
from training.training_state import TrainingState


class Evaluations:
    """Evaluates the untrained network, then the trained one every `evaluate_every` epochs and after the last.

    The network is saved before each evaluation. If the process ends during the evaluation, only the evaluation is lost,
    and a resumed run computes it again.

    Args:
        config: config of the run
        state: state of the training
        saver: writes checkpoints of the state
        schedule: computes and reports the evaluation of a snapshot
        snapshots: takes snapshots of the network
        interruption: delays signals while files are written
        processes: those that train together: all embed, the first one scores, and the others wait for it
    """

    def __init__(
        self,
        config: Config,
        state: TrainingState,
        saver: Saver,
        schedule: EvaluationSchedule,
        snapshots: Snapshots,
        interruption: Interruption,
        processes: Processes = ALONE,
    ):
        self.processes = processes
        self.config, self.state, self.saver = config, state, saver
        self.schedule, self.snapshots, self.interruption = schedule, snapshots, interruption

    def start(self) -> None:
        """Evaluate the untrained network, or finish the evaluation that was pending when the run was interrupted."""
        pending = self.state.pending_evaluation
        if self.state.is_untrained or pending == self.state.steps_done:
            self.run()
            return
        if pending is not None and self.processes.is_first:
            self._run_on_checkpoint()
        self.processes.wait_for_first()
        self.run_if_due()  # the interrupted process may have ended before it could start this evaluation

    def run_if_due(self) -> None:
        """Evaluate the network if an evaluation is due after the current step; else only save a checkpoint."""
        step = self.state.steps_done
        if self.config.is_evaluated_after(step) and self.schedule.scored_step < step:
            self.run()
        elif self.saver.has_unsaved_steps:
            with self.interruption.deferred():
                self.saver.save()

    def run(self) -> None:
        """Save the network, then evaluate it: at once, or in a background thread during training."""
        self.schedule.wait()
        with self.interruption.deferred():
            self.state.pending_evaluation = self.state.steps_done
            self.saver.save()
            self.saver.checkpoints.save_for_evaluation()
        self.processes.wait_for_first()
        self.schedule.submit(self.snapshots.current(), self._mark_evaluated)
        self.processes.wait_for_first()

    def finish(self) -> None:
        """Wait for the pending evaluation, and draw the figures of the best and of the last network."""
        self.schedule.finish(self.snapshots.from_checkpoint)

    def _run_on_checkpoint(self) -> None:
        """Evaluate the saved network whose evaluation was pending when the run was interrupted."""
        snapshot = self.snapshots.from_checkpoint(EVALUATING)
        if snapshot is None:
            self.state.pending_evaluation = None
        else:
            self.schedule.submit(snapshot, self._mark_evaluated)

    def _mark_evaluated(self, is_best: bool) -> None:
        """Called when the scores of the pending evaluation are reported."""
        self.saver.checkpoints.mark_evaluated(is_best)
        self.state.pending_evaluation = None
