"""When evaluations are computed and shown, and which weights and figures are kept."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from dataProcessors.tiffreader import TiffReader
from evaluation.scoring import Evaluation
from training.evaluator import Evaluator, Features, renamed
from training.folder import save_weights

BEST_METRIC = ("single_class", "MAP@R")  # needs no simple model, so every run has it
FIGURES_SHARE = 0.1  # of the time since the last figures that those of a new best may cost
EXPECTED_DRAWING = 20.0  # seconds, until it was measured
MOST_SAMPLED = 400  # positions per role that are kept to be drawn on the map


class Sampled:
    """Positions trained on so far by role, thinned out evenly once they are very many."""

    def __init__(self):
        self._parts: dict[str, list[np.ndarray]] = {}
        self._stride: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def add(self, role: str, positions: np.ndarray) -> None:
        """Note positions (n, 2) of tiles that were trained on in a role."""
        stride, seen = self._stride.setdefault(role, 1), self._seen.get(role, 0)
        self._seen[role] = seen + len(positions)
        kept = positions[np.arange(seen, seen + len(positions)) % stride == 0]
        if not len(kept):
            return
        self._parts.setdefault(role, []).append(kept)
        if sum(map(len, self._parts[role])) > MOST_SAMPLED:
            self._parts[role] = [np.concatenate(self._parts[role])[::2]]
            self._stride[role] = 2 * stride

    def copy(self) -> dict[str, np.ndarray]:
        """Role -> positions (n, 2)."""
        return {role: np.concatenate(parts) for role, parts in self._parts.items()}


@dataclass(frozen=True)
class Snapshot:
    """A network at one step, as far as evaluation and figures need it.

    Attributes:
        step: steps trained
        features: embeddings of the pools' tiles
        state: the network's weights, on the CPU
        sampled: role -> positions (n, 2) trained on so far
    """

    step: int
    features: Features
    state: dict[str, Tensor]
    sampled: dict[str, np.ndarray]


class Scorer:
    """Evaluates snapshots, one at a time; keeps the weights of the best and the last; has figures drawn of these.

    Args:
        evaluator: scores features
        reporter: takes what is to be shown; see reporting.reporter.Reporter
        image: reads the tiles that figures show
        folder: of the run, for the weights
        beside: evaluate in a thread of its own while the training goes on (for a GPU; on a CPU both would slow down)
    """

    def __init__(self, evaluator: Evaluator, reporter, image: TiffReader, folder: Path, beside: bool):
        self.evaluator, self.reporter, self.image, self.folder = evaluator, reporter, image, folder
        self._worker = ThreadPoolExecutor(1, "evaluation") if beside else None
        self._pending: tuple[Snapshot, Future] | None = None
        self._best = -math.inf
        self._last: tuple[Snapshot, Evaluation] | None = None
        self._undrawn: tuple[Snapshot, Evaluation] | None = None  # the best, while it has no figures
        self._drawn_step = -1
        self._drawn_at, self._drawing_took = time.monotonic(), EXPECTED_DRAWING

    def baselines(self, snapshot: Snapshot) -> None:
        """Evaluate the untrained network, which is also the trained one at step 0, and the band statistics."""

        def evaluate() -> list[Evaluation]:
            untrained = self.evaluator.evaluate(snapshot.features)
            statistics = self.evaluator.evaluate(self.evaluator.band_statistics)
            return [renamed(untrained, "trained"), untrained, statistics]

        self._start(snapshot, evaluate)

    def submit(self, snapshot: Snapshot) -> None:
        """Evaluate a snapshot: at once, or beside the training; an evaluation still pending is waited for first."""
        self._start(snapshot, lambda: [self.evaluator.evaluate(snapshot.features)])

    def _start(self, snapshot: Snapshot, evaluate: Callable[[], list[Evaluation]]) -> None:
        self._collect()
        if self._worker is None:
            self._report(snapshot, evaluate())
        else:
            self._pending = snapshot, self._worker.submit(evaluate)

    def poll(self) -> None:
        """Report the pending evaluation if it is ready."""
        if self._pending is not None and self._pending[1].done():
            self._collect()

    def finish(self) -> None:
        """Report what is pending, and draw the figures of the best, if they were not yet, and of the last."""
        self._collect()
        for snapshot, evaluation in filter(None, (self._undrawn, self._last)):
            if snapshot.step != self._drawn_step:
                self._draw(snapshot, evaluation)
        if self._worker is not None:
            self._worker.shutdown()

    def _collect(self) -> None:
        if self._pending is not None:
            (snapshot, future), self._pending = self._pending, None
            self._report(snapshot, future.result())

    def _report(self, snapshot: Snapshot, evaluations: list[Evaluation]) -> None:
        self.reporter.scores(snapshot.step, evaluations)
        self._keep(snapshot, evaluations[0])

    def _keep(self, snapshot: Snapshot, evaluation: Evaluation) -> None:
        """Keep the weights, and draw the figures of a new best unless that would cost too much of the time."""
        value, is_first = best_value(evaluation), self._last is None
        self._last = snapshot, evaluation
        if value > self._best or is_first:
            self._best, self._undrawn = value, self._last
            save_weights(self.folder / "best.pt", snapshot.state)
        save_weights(self.folder / "last.pt", snapshot.state)
        if self._undrawn and self._drawing_took < FIGURES_SHARE * (time.monotonic() - self._drawn_at):
            self._draw(*self._undrawn)

    def _draw(self, snapshot: Snapshot, evaluation: Evaluation) -> None:
        self._undrawn, self._drawn_step = None, snapshot.step
        started, scored = time.monotonic(), self.evaluator.score
        tiles = self.image.read(scored.positions, self.evaluator.size)
        self.reporter.figures(
            snapshot.step, evaluation, snapshot.features.score, scored.proportions, scored.positions, tiles,
            snapshot.sampled,
        )  # fmt: skip
        self._drawn_at = time.monotonic()
        self._drawing_took = self._drawn_at - started


def best_value(evaluation: Evaluation) -> float:
    """The figure by which the best weights are chosen; -inf where it could not be computed."""
    values = [score.mean for score in evaluation.scores if (score.task, score.metric) == BEST_METRIC]
    return values[0] if values and not math.isnan(values[0]) else -math.inf
