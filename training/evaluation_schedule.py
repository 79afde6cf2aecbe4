"""When a network is evaluated during training; a checkpoint is always written first."""

import logging
import math
import time
from collections.abc import Callable

from config import Config
from training.execution.processes import ALONE, Processes
from training.runs.checkpoint import name_of_evaluated
from training.runs.interruption import Interruption
from training.saving import Saver
from training.scoring.snapshot import Snapshot
from training.scoring.snapshot_scorer import SnapshotScorer
from training.snapshots import Snapshots
from training.training_state import TrainingState

log = logging.getLogger(__name__)
EMBEDDING_SHARE = 0.04  # of the training time in which tiles may be embedded for evaluations in the background


class EvaluationSchedule:
    """Evaluates the untrained network, then the trained one every `evaluate_every` epochs and after the last.

    Training never waits for an evaluation in the background. One that is due while another is running waits, and the
    next one takes its place; one that would outlast the training waits too, so that the last network is evaluated at
    once. The network of a waiting evaluation is on the disk, and is embedded when its turn comes. The training stands
    still meanwhile: the turn comes no sooner than that this takes a small share of the time.

    The network is saved before each evaluation. If the process ends before or during the evaluation, only the
    evaluation is lost, and a resumed run computes it again, in its turn: it may have been reported already, and its
    network be best.pt.

    Args:
        config: config of the run
        state: state of the training
        saver: writes checkpoints of the state
        scorer: computes and reports the evaluation of a snapshot
        snapshots: takes snapshots of the network, and fits to its weights what of an embedding is fitted
        interruption: delays signals while files are written
        processes: those that train together: the first one scores. Between epochs all embed, and wait for it; in the
            background it also embeds alone, while the others train
        clock: seconds, from any moment on
    """

    def __init__(
        self,
        config: Config,
        state: TrainingState,
        saver: Saver,
        scorer: SnapshotScorer,
        snapshots: Snapshots,
        interruption: Interruption,
        processes: Processes = ALONE,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.processes = processes
        self.config, self.state, self.saver = config, state, saver
        self.scorer, self.snapshots, self.interruption = scorer, snapshots, interruption
        self.clock = clock
        self._started = self.clock(), 0  # time, and steps done, when this process began to train
        self._last_step = config.epochs * config.iterations
        self._has_skipped, self._inherited = False, frozenset[int]()  # steps that were pending at an interruption
        self._embedding_seconds, self._embedded_at = 0.0, -math.inf  # how long it took the last time, and when it ended

    def start(self) -> None:
        """Evaluate the untrained network, and begin the evaluations that were pending when the run was interrupted."""
        step, pending = self.state.steps_done, self.state.pending_evaluations
        self._started, self._inherited = (self.clock(), step), frozenset(pending)
        is_due = self.state.is_untrained or step in pending
        self.state.pending_evaluations = [each for each in pending if each != step]
        self._begin_waiting()
        self.processes.wait_for_first()
        if is_due:
            self.run()
        else:
            self.run_if_due()  # the interrupted process may have ended before it could save for this evaluation

    def run_if_due(self) -> None:
        """Evaluate the network if an evaluation is due after the current step; else only save a checkpoint."""
        step = self.state.steps_done
        if self.config.is_evaluated_after(step) and self.scorer.scored_step < step:
            self.run()
        elif self.saver.has_unsaved_steps:
            with self.interruption.deferred():
                self.saver.save()

    def run(self) -> None:
        """Save the network, then evaluate it: at once, or in a background thread as soon as that has time."""
        step, skipped = self.state.steps_done, [each for each in self._waiting if each not in self._inherited]
        pending = [each for each in self.state.pending_evaluations if each not in skipped]
        if step > 0:
            self.snapshots.fit()
        with self.interruption.deferred():
            self.state.pending_evaluations = [*pending, step]
            self.saver.save()
            self.saver.checkpoints.save_for_evaluation(step)
        self.processes.wait_for_first()
        for each in skipped:
            self._log_skipped(each)
        if self.scorer.in_background:
            self.poll()
        else:
            self.scorer.submit(self.snapshots.current(), self._mark_evaluated)
        self.processes.wait_for_first()

    def poll(self) -> None:
        """Report the evaluation in the background if it is finished, and begin the one that waits; do not wait."""
        self.scorer.poll(self._seconds_left())
        self._begin_waiting()

    def finish(self) -> None:
        """Wait for all pending evaluations, and draw the figures of the best and of the last network."""
        self.scorer.wait(0)
        while self._waiting and self.scorer.is_ready(math.inf):
            self._begin(self._waiting[0])
            self.scorer.wait(0)
        self.scorer.finish(self.snapshots.from_checkpoint)

    @property
    def _waiting(self) -> list[int]:
        """Steps whose networks wait for their evaluation; more than one only after an interruption."""
        return [step for step in self.state.pending_evaluations if step != self.scorer.running]

    def _begin_waiting(self) -> None:
        """Begin the evaluations that wait, in order, while there is time for them; for the last network there is."""
        for step in self._waiting:
            is_last = step >= self._last_step
            seconds_left = math.inf if is_last else self._seconds_left()
            if not (self.scorer.is_ready(seconds_left) and (is_last or self._may_embed())):
                break
            self._begin(step)

    def _may_embed(self) -> bool:
        """Whether enough time has passed since tiles were embedded, in the background; else there is no hurry."""
        passed = self.clock() - self._embedded_at
        return not self.scorer.in_background or self._embedding_seconds <= EMBEDDING_SHARE * passed

    def _begin(self, step: int) -> None:
        """Evaluate the network that was saved at a step, which may be the current one.

        The first process begins it alone: it must neither wait for the others, nor log steps before they do, since
        clusters are drawn by the losses of the steps that are logged.
        """
        is_current, started = step == self.state.steps_done, self.clock()
        snapshots = self.snapshots
        snapshot = snapshots.current_alone() if is_current else snapshots.from_checkpoint(name_of_evaluated(step))
        self._embedded_at = self.clock()
        self._embedding_seconds = self._embedded_at - started
        self.saver.pending.restart_clock()  # the time of embedding is not that of a step
        if snapshot is None:  # its file is missing or damaged
            self.state.pending_evaluations.remove(step)
        else:
            self.scorer.submit(snapshot, self._mark_evaluated)

    def _mark_evaluated(self, snapshot: Snapshot, is_best: bool) -> None:
        """Called when the scores of a snapshot are reported."""
        if is_best:
            self.saver.checkpoints.save_as_best(snapshot.step)
            self.snapshots.keep_fit_tiles(snapshot)
        self.state.pending_evaluations.remove(snapshot.step)

    def _seconds_left(self) -> float:
        """Return how long the rest of the training will take by the pace so far; infinity: unknown."""
        started, first_step = self._started
        left, done = self._last_step - self.state.steps_done, self.state.steps_done - first_step
        if left <= 0:
            return 0.0
        return left * (self.clock() - started) / done if done else math.inf

    def _log_skipped(self, step: int) -> None:
        """Say once that not every network is evaluated."""
        if not self._has_skipped:
            log.info(
                "step %d: its network is not evaluated, because evaluations take longer than 'evaluate_every' epochs, "
                "and training does not wait for them. Later ones are left out without a message.", step,
            )  # fmt: skip
        self._has_skipped = True
