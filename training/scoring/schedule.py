"""When evaluations are computed and shown, which network is kept as the best, and whose figures are drawn."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from evaluation.scoring import Evaluation, objective
from training.runs.checkpoint import BEST, LAST
from training.runs.interruption import Interruption
from training.scoring.evaluator import Evaluator, Features, renamed

FIGURES_SHARE = 0.1  # of the time since the last figures that those of a new best may cost
FIGURES_OF = {BEST: "best", LAST: "last"}  # a checkpoint's file -> the folder of its figures
EXPECTED_DRAWING = 20.0  # seconds, until it was measured

OnEvaluated = Callable[[bool], None]


@dataclass(frozen=True)
class Snapshot:
    """A network at one step, as far as evaluation and figures need it.

    Attributes:
        step: steps trained
        features: embeddings of the pools' tiles
        sampled: role -> positions (n, 2) trained on so far
    """

    step: int
    features: Features
    sampled: dict[str, np.ndarray]


class EvaluationSchedule:
    """Evaluates snapshots, one at a time; tells which is the best so far; has figures drawn of the best and the last.

    Args:
        evaluator: scores features
        reporter: takes what is to be shown; see reporting.reporter.Reporter
        best_metric: by which the best network is told, as TensorBoard names it: task/metric, or task/metric/model
        interruption: keeps signals away from what must not be broken off
        background_cores: CPU cores for a thread that evaluates while training goes on (for a GPU); 0: evaluate in
            between, as on a CPU, where both would slow down

    Attributes:
        scored_step: the last step whose scores are shown, -1 before any
    """

    def __init__(
        self,
        evaluator: Evaluator,
        reporter,
        best_metric: str,
        interruption: Interruption,
        background_cores: int = 0,
    ):
        self.evaluator, self.reporter, self.best_metric = evaluator, reporter, best_metric
        self.interruption = interruption
        # what scikit-learn computes with is limited thread by thread
        worker = partial(ThreadPoolExecutor, 1, "evaluation", threadpool_limits, (background_cores,))
        self._worker = worker() if background_cores else None
        self._pending: tuple[Snapshot, OnEvaluated, Future] | None = None
        self._drawing: Future | None = None
        self.scored_step, self._best, self._best_step = -1, -math.inf, -1
        self._drawn: dict[str, int] = {BEST: -1, LAST: -1}  # step of the network whose figures were drawn, by file
        self._evaluated: dict[str, tuple[Snapshot, Evaluation]] = {}  # of the best and the last, by file
        self._drawn_at, self._drawing_took = time.monotonic(), EXPECTED_DRAWING

    def state_dict(self) -> dict:
        """What a checkpoint holds of it; an evaluation that is pending is not part of that."""
        return {
            "scored_step": self.scored_step, "best": self._best, "best_step": self._best_step,
            "drawn": dict(self._drawn),
        }  # fmt: skip

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self.scored_step, self._best, self._best_step = state["scored_step"], state["best"], state["best_step"]
        self._drawn = dict(state["drawn"])

    def submit(self, snapshot: Snapshot, on_evaluated: OnEvaluated) -> None:
        """Evaluate a snapshot: at once, or beside the training; an evaluation still pending is waited for first.

        One of step 0 is the untrained network, which is the first trained one too; band statistics come with it.

        Args:
            snapshot: of the network
            on_evaluated: called with whether this is the best network so far, once its scores are shown
        """
        self.wait()
        if self._worker is None:
            self._report(snapshot, on_evaluated, self._evaluate(snapshot))
        else:
            self._pending = snapshot, on_evaluated, self._worker.submit(self._evaluate, snapshot)

    def _evaluate(self, snapshot: Snapshot) -> list[Evaluation]:
        evaluation = self.evaluator.evaluate(snapshot.features)
        if snapshot.step > 0:
            return [evaluation]
        statistics = self.evaluator.evaluate(self.evaluator.band_statistics)
        coarsened = [self.evaluator.segmenter.coarsened] if self.evaluator.segmenter else []
        return [renamed(evaluation, "trained"), evaluation, statistics, *coarsened]

    def poll(self) -> None:
        """Report the pending evaluation if it is ready."""
        if self._pending is not None and self._pending[-1].done():
            self.wait()
        if self._drawing is not None and self._drawing.done():
            self._end_drawing()

    def wait(self) -> None:
        """Report the pending evaluation, if there is one, as soon as it is ready."""
        if self._pending is not None:
            (snapshot, on_evaluated, future), self._pending = self._pending, None
            self._report(snapshot, on_evaluated, future.result())

    def finish(self, snapshot_of: Callable[[str], Snapshot | None]) -> None:
        """Report what is pending, and draw the figures of the best and of the last network that have none yet.

        Args:
            snapshot_of: gives the snapshot of a checkpoint's network, by file name, for one of an earlier process; None
                where it cannot: then its figures are left out
        """
        self.wait()
        for name, step in ((BEST, self._best_step), (LAST, self.scored_step)):
            self._end_drawing()
            if step >= 0 and step not in self._drawn.values():
                snapshot = None if name in self._evaluated else snapshot_of(name)
                if snapshot is not None:
                    self._evaluated[name] = snapshot, self._evaluate(snapshot)[0]
                if name in self._evaluated:
                    self._draw(name)
        self._end_drawing()
        if self._worker is not None:
            self._worker.shutdown()

    def cancel(self) -> None:
        """Forget what is pending; a computation that has begun cannot be stopped, but nobody waits for it."""
        if self._worker is not None:
            self._worker.shutdown(wait=False, cancel_futures=True)

    def _report(self, snapshot: Snapshot, on_evaluated: OnEvaluated, evaluations: list[Evaluation]) -> None:
        value = objective(evaluations[0].scores, self.best_metric)
        is_best = value > self._best or self._best_step < 0
        with self.interruption.deferred():
            self.reporter.log_scores(snapshot.step, evaluations)
            on_evaluated(is_best)
            self.scored_step = snapshot.step
            self._evaluated[LAST] = snapshot, evaluations[0]
            if is_best:
                self._best, self._best_step, self._evaluated[BEST] = value, snapshot.step, self._evaluated[LAST]
        is_drawn = self._drawn[BEST] == self._best_step or BEST not in self._evaluated or self._drawing is not None
        if not is_drawn and self._drawing_took < FIGURES_SHARE * (time.monotonic() - self._drawn_at):
            self._draw(BEST)

    def _draw(self, name: str) -> None:
        """Draw the figures of the best or the last network: at once, or beside the training as evaluations are."""
        self._end_drawing()
        if self._worker is None:
            self._drawn_now(name, *self._evaluated[name])
        else:
            self._drawing = self._worker.submit(self._drawn_now, name, *self._evaluated[name])

    def _end_drawing(self) -> None:
        if self._drawing is not None:
            drawing, self._drawing = self._drawing, None
            drawing.result()

    def _drawn_now(self, name: str, snapshot: Snapshot, evaluation: Evaluation) -> None:
        started, scored = time.monotonic(), self.evaluator.score
        tiles = self.evaluator.image.read(scored.positions, self.evaluator.size)
        segmenter = self.evaluator.segmenter
        region = segmenter.region(evaluation.segmentation) if segmenter else None
        self.reporter.log_figures(
            snapshot.step, FIGURES_OF[name], evaluation, snapshot.features.score, scored.proportions, scored.positions,
            tiles, snapshot.sampled, region,
        )  # fmt: skip
        self._drawn[name] = snapshot.step
        self._drawn_at = time.monotonic()
        self._drawing_took = self._drawn_at - started
