"""When evaluations are computed and reported, which network is the best, and when figures are drawn."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from evaluation.process import call_here
from evaluation.scores import Evaluation, objective
from training.runs.checkpoint import BEST, LAST
from training.runs.interruption import Interruption
from training.scoring.background import Background
from training.scoring.evaluator import Evaluator, renamed
from training.scoring.snapshot import ShownNetwork, Snapshot

FIGURES_SHARE = 0.1  # drawing figures of a new best network may take this share of the time since the last figures
FIGURE_FOLDERS = {BEST: "best", LAST: "last"}  # checkpoint file -> folder of its figures
EXPECTED_DRAWING_SECONDS = 20.0  # used until the first drawing is measured


OnEvaluated = Callable[[Snapshot, bool], None]


class ScoreReporter(Protocol):
    """What evaluations are reported to; reporting.reporter.Reporter says more."""

    def log_scores(self, step: int, evaluations: list[Evaluation]) -> None:
        """Report the scores of an evaluation."""

    def log_figures(self, network: str, shown: ShownNetwork) -> None:
        """Draw the figures of a network in the folder `network`."""


class SnapshotScorer:
    """Evaluates snapshots one at a time, finds the best network, and draws figures of the best and of the last one.

    Args:
        evaluator: scores features
        reporter: receives scores and figures
        best_metric: score that the best network is selected by, named as in TensorBoard: task/metric or
            task/metric/model
        interruption: delays signals while results are written
        background_cores: number of CPU cores for a process that evaluates during training, useful with a GPU;
            0: evaluate between epochs, as on a CPU, where both would slow each other down

    Attributes:
        evaluating_seconds: how long the last evaluation took, without yardsticks
        scored_step: last step whose scores are reported, -1: none
    """

    def __init__(
        self,
        evaluator: Evaluator,
        reporter: ScoreReporter,
        best_metric: str,
        interruption: Interruption,
        background_cores: int = 0,
    ):
        self.evaluator, self.reporter, self.best_metric = evaluator, reporter, best_metric
        self.interruption = interruption
        self._background = Background(background_cores) if background_cores else None
        self._call = self._background.call if self._background else call_here
        self._pending: tuple[Snapshot, OnEvaluated, Future] | None = None
        self._pending_figures: Future | None = None
        self.evaluating_seconds = 0.0
        self.scored_step, self._best, self._best_step = -1, -math.inf, -1
        self._drawn: dict[str, int] = {BEST: -1, LAST: -1}  # checkpoint file -> step whose figures are drawn, -1: none
        self._evaluated: dict[str, tuple[Snapshot, Evaluation]] = {}  # by checkpoint file
        self._drawn_at, self._drawing_seconds = time.monotonic(), EXPECTED_DRAWING_SECONDS

    def state_dict(self) -> dict:
        """Return the part of a checkpoint that belongs to this object, without the pending evaluation."""
        return {
            "scored_step": self.scored_step, "best": self._best, "best_step": self._best_step,
            "drawn": dict(self._drawn),
        }  # fmt: skip

    def load_state_dict(self, state: dict) -> None:
        """Restore the state from what `state_dict` returned."""
        self.scored_step, self._best, self._best_step = state["scored_step"], state["best"], state["best_step"]
        self._drawn = dict(state["drawn"])

    def submit(self, snapshot: Snapshot, on_evaluated: OnEvaluated) -> None:
        """Evaluate a snapshot: at once, or in the background. Wait for a pending evaluation first.

        The snapshot of step 0 is scored as "untrained" and also as the first "trained" network; the yardsticks are
        scored with it.

        Args:
            snapshot: snapshot of the network
            on_evaluated: called when the scores are reported, with the snapshot, and whether it is the best so far
        """
        self.wait()
        if self._background is None:
            self._report(snapshot, on_evaluated, self._evaluate(snapshot), math.inf)
        else:
            self._pending = snapshot, on_evaluated, self._background.submit(self._evaluate, snapshot)

    def _evaluate(self, snapshot: Snapshot) -> list[Evaluation]:
        started = time.monotonic()
        evaluation = self.evaluator.evaluate(snapshot.features, self._call)
        self.evaluating_seconds = time.monotonic() - started
        if snapshot.step > 0:
            return [evaluation]
        yardsticks = self.evaluator.evaluate_yardsticks(self._call)
        coarsened = [self.evaluator.segmenter.coarsened] if self.evaluator.segmenter else []
        return [renamed(evaluation, "trained"), evaluation, *yardsticks, *coarsened]

    @property
    def in_background(self) -> bool:
        """Whether evaluations run during training."""
        return self._background is not None

    @property
    def running(self) -> int | None:
        """Step whose network is being evaluated in the background; None: none."""
        return None if self._pending is None else self._pending[0].step

    def is_ready(self, seconds_left: float) -> bool:
        """Whether the next evaluation can begin. In the background: if it is free, and will be free again in time.

        seconds_left: until it must be free for another evaluation; this one is expected to take as long as the last
        """
        if self._background is None:
            return True
        is_free = self._pending is None and self._pending_figures is None
        return is_free and self.evaluating_seconds <= seconds_left

    def poll(self, seconds_left: float = math.inf) -> None:
        """Report the pending evaluation if it is finished; do not wait.

        Args:
            seconds_left: as for `is_ready`; no figures are drawn that would take longer
        Raises:
            Exception: whatever ended the evaluation, or the drawing of figures
        """
        if self.interruption.is_pending:  # which may have ended the evaluation's processes too
            return
        if self._pending is not None and self._pending[-1].done():
            self._wait_for_scores(seconds_left)
        if self._pending_figures is not None and self._pending_figures.done():
            self._wait_for_figures()

    def wait(self, seconds_left: float = math.inf) -> None:
        """Wait for the pending evaluation, and report it, and for the pending figures; arguments as for `poll`."""
        self._wait_for_scores(seconds_left)
        self._wait_for_figures()

    def _wait_for_scores(self, seconds_left: float) -> None:
        if self._pending is not None:
            (snapshot, on_evaluated, future), self._pending = self._pending, None
            self._report(snapshot, on_evaluated, future.result(), seconds_left)

    def finish(self, snapshot_of: Callable[[str], Snapshot | None]) -> None:
        """Report the pending evaluation, then draw the missing figures of the best and of the last network.

        Args:
            snapshot_of: returns the snapshot of a checkpoint by file name, for networks evaluated by an earlier
                process; None if the file cannot be read: then its figures are left out
        """
        self.wait()
        for name, step in ((BEST, self._best_step), (LAST, self.scored_step)):
            self._wait_for_figures()
            if step >= 0 and step not in self._drawn.values():
                snapshot = None if name in self._evaluated else snapshot_of(name)
                if snapshot is not None:
                    evaluation = self.evaluator.evaluate(snapshot.features, self._call)
                    self._evaluated[name] = snapshot, renamed(evaluation, "trained")
                if name in self._evaluated:
                    self._draw(name)
        self._wait_for_figures()
        if self._background is not None:
            self._background.finish()

    def cancel(self) -> None:
        """Drop what is pending in the background; a drawing cannot be stopped, but is not waited for."""
        if self._background is not None:
            pending = [self._pending and self._pending[-1], self._pending_figures]
            self._background.cancel([future for future in pending if future])

    def _report(
        self, snapshot: Snapshot, on_evaluated: OnEvaluated, evaluations: list[Evaluation], seconds_left: float
    ) -> None:
        """Report scores, update the best network, and draw its figures unless the last figures are too recent."""
        value = objective(evaluations[0].scores, self.best_metric)
        is_best = value > self._best or self._best == -math.inf  # while nothing can be compared, the last one is kept
        with self.interruption.deferred():
            self.reporter.log_scores(snapshot.step, evaluations)
            on_evaluated(snapshot, is_best)
            self.scored_step = snapshot.step
            self._evaluated[LAST] = snapshot, evaluations[0]
            if is_best:
                self._best, self._best_step, self._evaluated[BEST] = value, snapshot.step, self._evaluated[LAST]
        is_drawn = self._drawn[BEST] == self._best_step or BEST not in self._evaluated
        is_drawing = self._pending_figures is not None
        has_time = self._drawing_seconds < min(FIGURES_SHARE * (time.monotonic() - self._drawn_at), seconds_left)
        if has_time and not is_drawn and not is_drawing:
            self._draw(BEST)

    def _draw(self, name: str) -> None:
        """Draw the figures of the best or of the last network: at once, or in the background."""
        self._wait_for_figures()
        if self._background is None:
            self._draw_now(name, *self._evaluated[name])
        else:
            self._pending_figures = self._background.submit(self._draw_now, name, *self._evaluated[name])

    def _wait_for_figures(self) -> None:
        if self._pending_figures is not None:
            figures, self._pending_figures = self._pending_figures, None
            figures.result()

    def _draw_now(self, name: str, snapshot: Snapshot, evaluation: Evaluation) -> None:
        started = time.monotonic()
        self.reporter.log_figures(FIGURE_FOLDERS[name], self.evaluator.shown(snapshot, evaluation))
        self._drawn[name] = snapshot.step
        self._drawn_at = time.monotonic()
        self._drawing_seconds = self._drawn_at - started
