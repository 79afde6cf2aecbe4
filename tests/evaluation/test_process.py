"""The process that evaluates beside a training: what it returns, and how it ends."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import CancelledError
from types import SimpleNamespace

import numpy as np
import pytest

from config import UserError
from evaluation import process
from evaluation.process import EvaluationProcess, call_here
from evaluation.scores import Settings
from evaluation.scoring import draws, evaluate


@pytest.fixture(scope="module")
def beside():
    """A process that evaluates."""
    beside = EvaluationProcess(1)
    yield beside
    beside.stop()


def evaluated(call, fit):
    rng = np.random.default_rng(0)
    score, proportions = rng.normal(size=(30, 8)), [rng.dirichlet(np.ones(3), n) for n in (80, 30)]
    models = "knn", "linear", "rfc"
    settings = Settings(models, models)
    return call(evaluate, "trained", fit, score, *proportions, draws(80, 30, 60, 20, 2, 0), settings)


def test_it_evaluates_as_this_process_does(beside):
    fit = np.random.default_rng(1).normal(size=(80, 8))
    here, there = evaluated(call_here, fit), evaluated(beside.call, fit)
    assert there.by_draw.keys() == here.by_draw.keys()
    for tag, values in here.by_draw.items():
        np.testing.assert_array_equal(there.by_draw[tag], values)
    assert [score.tag for score in there.scores] == [score.tag for score in here.scores]
    for name, table in here.confusion.items():
        np.testing.assert_array_equal(there.confusion[name], table)
    assert beside.call(os.getpid) == beside.call(os.getpid) != os.getpid()


def test_errors_of_an_evaluation_come_back(beside):
    with pytest.raises(ValueError, match="finite"):
        evaluated(beside.call, np.full((80, 8), np.nan))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_leaves_signals_to_its_parent(beside, number):
    assert beside.call(signal.getsignal, number) == signal.SIG_IGN


def test_training_goes_first_where_cores_are_scarce(beside):
    assert beside.call(os.nice, 0) == min(os.nice(0) + process.NICENESS, 19)


def test_a_process_that_was_killed_is_reported_in_words():
    killed = EvaluationProcess(1)
    os.kill(killed.call(os.getpid), signal.SIGKILL)
    with pytest.raises(UserError, match="process that evaluates has ended"):
        for _ in range(100):  # until the end is noticed
            killed.call(time.sleep, 0.1)
    killed.stop()


def test_stopping_ends_a_busy_process_at_once():
    busy, ended = EvaluationProcess(1), []
    busy.call(os.getpid)

    def wait():
        try:
            busy.call(time.sleep, 600)
        except (UserError, CancelledError) as error:  # it has begun to sleep, or not yet
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    busy.stop()
    thread.join(60)
    assert len(ended) == 1
    EvaluationProcess(1).stop()  # one that was never called


def test_a_process_that_has_ended_is_not_killed_again(monkeypatch):
    """Its number may be that of another process by then."""
    ended = EvaluationProcess(1)
    number = ended.call(os.getpid)
    ended.stop()
    for child in multiprocessing.active_children():
        if child.pid == number:  # others go on
            child.join(60)
    killed: list[int] = []
    monkeypatch.setattr(process.os, "kill", lambda number, signal: killed.append(number))
    ended.stop()
    assert killed == []


def test_a_process_ends_with_its_parent(monkeypatch):
    parents, ended = iter([7, 7, 1]), []
    monkeypatch.setattr(process, "os", SimpleNamespace(getppid=lambda: next(parents), _exit=ended.append))
    monkeypatch.setattr(process, "time", SimpleNamespace(sleep=lambda seconds: None))
    process.end_with(7)
    assert ended == [1] and next(parents, None) is None
