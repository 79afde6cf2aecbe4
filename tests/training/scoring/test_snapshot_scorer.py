"""When evaluations are reported, which network is the best, and when figures are drawn."""

import numpy as np
import pytest
from evaluators_for_tests import Recorder, StubEvaluator, snapshot

from evaluation.scores import Score, objective
from training.runs.interruption import Interruption
from training.scoring.snapshot import Snapshot
from training.scoring.snapshot_scorer import SnapshotScorer


class Evaluated:
    """Notes which networks were the best so far."""

    def __init__(self):
        self.told = []

    def __call__(self, snapshot: Snapshot, best: bool) -> None:
        self.told.append(best)


def scorer_of(evaluator, recorder, beside=0) -> SnapshotScorer:
    return SnapshotScorer(evaluator, recorder, "retrieval/MAP@R", Interruption(), beside)


def no_checkpoint(name: str):
    raise AssertionError(f"{name} was asked for, though all is known")


@pytest.mark.parametrize("beside", [False, True])
def test_scorer_reports_every_evaluation_in_order_and_tells_the_best(beside):
    evaluator, recorder, evaluated = StubEvaluator(), Recorder(), Evaluated()
    scorer = scorer_of(evaluator, recorder, beside)
    for step, value in enumerate((0.1, 0.5, 0.9, float("nan"), 0.7, 0.9)):
        scorer.submit(snapshot(step, value), evaluated)
        scorer.poll()
    scorer.finish(no_checkpoint)
    assert [step for step, _, _ in recorder.told] == [0, 1, 2, 3, 4, 5]
    assert all(in_main for _, _, in_main in recorder.told), "the training says when scores are shown"
    assert evaluated.told == [True, True, True, False, False, False], "of two that are as good the first is kept"
    assert recorder.drawn == [2, 5], "figures of the best and of the last"
    assert recorder.folders == ["best", "last"]
    assert recorder.drawn_beside == [beside] * 2, "UMAP takes seconds, for which a GPU need not wait"


def test_untrained_network_is_scored_beside_the_yardsticks():
    recorder = Recorder()
    scorer = scorer_of(StubEvaluator(), recorder)
    recorder.log_scores = lambda step, evaluations: recorder.told.append([e.features for e in evaluations])
    for step in (0, 1):
        scorer.submit(snapshot(step, 0.5), lambda snapshot, best: None)
    assert recorder.told == [["trained", "trained", "band_statistics"], ["trained"]]


def test_figures_of_a_last_that_is_the_best_are_drawn_once():
    recorder = Recorder()
    scorer = scorer_of(StubEvaluator(), recorder)
    for step, value in ((0, 0.1), (1, 0.5)):
        scorer.submit(snapshot(step, value), lambda snapshot, best: None)
    scorer.finish(no_checkpoint)
    assert recorder.drawn == [1]


def test_scorer_that_goes_on_draws_figures_of_a_best_that_an_earlier_process_found():
    first, second = (scorer_of(StubEvaluator(), Recorder()) for _ in range(2))
    for step, value in ((0, 0.1), (1, 0.9), (2, 0.5)):
        first.submit(snapshot(step, value), lambda snapshot, best: None)
    second.load_state_dict(first.state_dict())
    evaluated = Evaluated()
    second.submit(snapshot(3, 0.8), evaluated)
    asked = []
    second.finish(lambda name: asked.append(name) or snapshot(1, 0.9))
    assert evaluated.told == [False], "the best of the earlier process is better"
    assert asked == ["best.pt"]
    assert second.reporter.drawn == [1, 3]


def test_beside_the_training_an_evaluation_does_not_hold_up_the_next_step():
    evaluator, recorder = StubEvaluator(), Recorder()
    scorer = scorer_of(evaluator, recorder, beside=2)
    evaluator.go.clear()
    scorer.submit(snapshot(1, 0.5), lambda snapshot, best: None)
    scorer.poll()
    assert recorder.told == []
    evaluator.go.set()
    scorer.finish(no_checkpoint)
    assert [step for step, _, _ in recorder.told] == [1]


def test_metric_by_which_the_best_is_told():
    scores = [
        Score("trained", "single_class", "knn", "accuracy", 0.7, 0.0),
        Score("trained", "multi_class", "knn", "sum_error", 0.4, 0.0),
        Score("trained", "multi_class", "-", "gSil", float("nan"), 0.0),
    ]
    values = [objective(scores, score.tag) for score in scores]
    assert values == [0.7, -0.4, -np.inf], "a smaller error is better, and nothing is better than no value"
    assert objective(scores, "single_class/accuracy/rfc") == -np.inf
