"""Evaluations that take as long as a test wants, and a reporter that notes what it is told."""

import threading

import numpy as np

from evaluation.scores import Evaluation, Score
from training.scoring.snapshot import Features, ShownNetwork, Snapshot


class Recorder:
    """A reporter that notes what it is told, and from which thread."""

    def __init__(self):
        self.told, self.drawn, self.folders, self.drawn_beside = [], [], [], []

    def log_scores(self, step, evaluations):
        self.told.append((step, evaluations[0].scores[0].mean, threading.current_thread() is threading.main_thread()))

    def log_figures(self, network, shown):
        self.drawn.append(shown.snapshot.step)
        self.folders.append(network)
        self.drawn_beside.append(threading.current_thread() is not threading.main_thread())


class StubEvaluator:
    """Scores a snapshot by its features' first value; waits for `go` before it answers, or raises its error."""

    segmenter = None

    def __init__(self):
        self.go, self.error = threading.Event(), None
        self.go.set()

    def evaluate(self, features, call=None):
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        score = Score(features.name, "single_class", "-", "MAP@R", float(features.fit[0, 0]), 0.0)
        return Evaluation(features.name, [score], {}, {}, np.ones((1, 1)))

    def evaluate_yardsticks(self, call=None):
        return [self.evaluate(Features("band_statistics", np.zeros((1, 1)), np.zeros((1, 1))))]

    def shown(self, snapshot, evaluation):
        return ShownNetwork(snapshot, evaluation, np.ones((1, 1)), np.zeros((1, 2), int), np.zeros((1, 1, 8, 8)))


def snapshot(step: int, value: float) -> Snapshot:
    return Snapshot(step, Features("trained", np.full((1, 1), value), np.zeros((1, 1))), {})
