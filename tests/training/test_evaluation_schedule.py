"""Which networks are evaluated beside a training that waits for no evaluation, and which of them becomes the best."""

from concurrent.futures import wait
from types import SimpleNamespace

import pytest
from evaluators_for_tests import Recorder, StubEvaluator, snapshot

from config import validate
from training import evaluation_schedule
from training.evaluation_schedule import EvaluationSchedule
from training.runs.checkpoint import Checkpoints, load, save
from training.runs.interruption import Interruption
from training.scoring.snapshot_scorer import SnapshotScorer

CONFIG = {"network": "test_resnet", "loss": "tripletloss", "validation_map": "osm", "iterations": 10, "epochs": 6}
LAST = 60


class Training:
    """A training whose network is a single number at each step, which is its score too; steps take a second each.

    Args:
        folder: of the checkpoints
        values: step -> number; of other steps 0
        background: whether it is evaluated in the background
        checkpoint: to resume from
        embedding_seconds: how long it takes to embed the tiles of an evaluation
    """

    def __init__(self, folder, values, background=True, checkpoint=None, embedding_seconds=0.0):
        self.values, self.seconds, self.steps_done, self.pending_evaluations = values, 0.0, 0, []
        self.embedding_seconds = embedding_seconds
        self.evaluator, self.recorder = StubEvaluator(), Recorder()
        self.scorer = SnapshotScorer(self.evaluator, self.recorder, "retrieval/MAP@R", Interruption(), int(background))
        self.checkpoints = Checkpoints(folder, 10)
        self.has_unsaved_steps = True
        self.pending = SimpleNamespace(restart_clock=lambda: None)  # beginning an evaluation logs no step
        if checkpoint is not None:
            self.steps_done, self.pending_evaluations = checkpoint["step"], checkpoint["evaluating"]
            self.scorer.load_state_dict(checkpoint["scorer"])
        if background:
            self.evaluator.go.clear()
        # it is state, saver and source of snapshots at once
        self.evaluations = EvaluationSchedule(
            validate(CONFIG), self, self, self.scorer, self, Interruption(), clock=lambda: self.seconds
        )

    @property
    def is_untrained(self):
        return self.steps_done == 0 and self.scorer.scored_step < 0

    def save(self):
        self.checkpoints.write(
            {
                "step": self.steps_done,
                "evaluating": list(self.pending_evaluations),
                "network": self.values.get(self.steps_done, 0.0),
                "scorer": self.scorer.state_dict(),
            }
        )

    def current(self):
        self.seconds += self.embedding_seconds
        return snapshot(self.steps_done, self.values.get(self.steps_done, 0.0))

    current_alone = current

    def fit(self):
        """No embedding of this network is fitted."""

    def keep_fit_tiles(self, best):
        self.kept_fit_tiles = best.step

    def from_checkpoint(self, name):
        self.seconds += self.embedding_seconds
        found = self.checkpoints.load(name)
        return snapshot(found["step"], found["network"])

    def train(self, until):
        while self.steps_done < until:
            self.steps_done += 1
            self.seconds += 1
            self.evaluations.poll()
            if self.steps_done % 10 == 0:
                self.evaluations.run_if_due()

    def evaluated(self):
        """Let the evaluation that is running end; the training does not know of it yet."""
        self.evaluator.go.set()
        assert wait([self.scorer._pending[-1]], 10).done
        self.evaluator.go.clear()

    def finish(self):
        self.evaluator.go.set()
        self.evaluations.finish()
        self.save()

    @property
    def told(self):
        return [(step, value) for step, value, _ in self.recorder.told]

    @property
    def kept(self):
        """Steps whose networks are kept for their evaluation."""
        return sorted(load(path)["step"] for path in self.checkpoints.folder.glob("evaluating*"))


@pytest.fixture
def begin(tmp_path):
    """Begins trainings in one folder, whose threads end with the test."""
    begun = []

    def begin(values, **options):
        begun.append(Training(tmp_path, values, **options))
        begun[-1].evaluations.start()
        return begun[-1]

    yield begin
    for training in begun:
        training.evaluator.go.set()
        training.scorer.cancel()


VALUES = {0: 0.1, 10: 0.8, 20: 0.2, 30: 0.9, 40: 0.3, 50: 0.7, 60: 0.5}


def test_an_evaluation_that_is_due_takes_the_place_of_the_one_that_waits(begin, caplog):
    caplog.set_level("INFO")
    training = begin(VALUES)
    training.train(35)
    assert training.scorer.running == 0 and training.pending_evaluations == training.kept == [0, 30]
    training.evaluated()
    training.train(36)
    assert training.told == [(0, 0.1)] and training.scorer.running == 30
    assert "step 10: its network is not evaluated" in caplog.text
    assert caplog.text.count("is not evaluated") == 1, "said once"


def test_the_last_network_is_evaluated_and_the_best_of_the_evaluated_is_kept(begin, tmp_path):
    training = begin(VALUES)
    training.train(35)
    training.evaluated()
    training.train(55)  # while 30 is evaluated, 50 waits
    assert training.kept == [30, 50]
    training.evaluated()
    training.train(LAST)  # 30 is reported, and 50 is begun from its file
    assert (load(tmp_path / "best.pt")["step"], load(tmp_path / "best.pt")["network"]) == (30, 0.9)
    assert training.kept == [50, LAST]
    training.finish()
    assert training.told == [(0, 0.1), (30, 0.9), (50, 0.7), (60, 0.5)], "each with its own weights"
    assert load(tmp_path / "best.pt")["network"] == 0.9
    assert training.recorder.folders == ["best", "last"]
    assert load(tmp_path / "last.pt")["evaluating"] == training.kept == []


def test_an_error_of_an_evaluation_ends_the_training_at_its_next_step(begin):
    training = begin(VALUES)
    training.evaluator.error = ValueError("a feature is not finite")
    training.train(10)
    training.evaluated()
    with pytest.raises(ValueError):
        training.train(12)
    assert training.steps_done == 11


def test_after_an_interruption_the_running_and_the_waiting_evaluation_are_made(begin, tmp_path):
    first = begin(VALUES)
    first.train(20)
    assert first.kept == [0, 20]
    first.evaluated()
    first.train(35)
    assert first.kept == [20, 30]
    first.save()  # as a signal does, in the middle of an epoch
    resumed = begin(VALUES | {35: -1.0}, checkpoint=load(tmp_path / "last.pt"))
    assert resumed.scorer.running == 20 and resumed.pending_evaluations == [20, 30]
    resumed.train(36)
    for _ in range(2):
        resumed.evaluated()
        resumed.train(resumed.steps_done + 1)
    assert resumed.told == [(20, 0.2), (30, 0.9)]
    assert load(tmp_path / "best.pt")["network"] == 0.9
    resumed.train(LAST)
    resumed.finish()
    assert resumed.told[-1] == (60, 0.5)


def test_a_network_that_a_killed_process_took_for_the_best_is_evaluated_again(begin, tmp_path):
    """best.pt is its network already, and no checkpoint knows its score: it must not be left out."""
    values = {0: 0.5, 10: 0.3, 20: 0.8, 30: 0.4}
    first = begin(values)
    first.evaluated()
    first.train(20)
    for step in (21, 22):
        first.evaluated()
        first.train(step)
    assert first.told[1:] == [(10, 0.3), (20, 0.8)] and load(tmp_path / "best.pt")["step"] == 20
    resumed = begin(values, checkpoint=load(tmp_path / "last.pt"))
    resumed.train(LAST)
    assert resumed.kept == [10, 20, LAST]
    resumed.finish()
    assert [step for step, _ in resumed.told] == [10, 20, LAST], "the last network last"
    assert resumed.scorer.state_dict()["best_step"] == load(tmp_path / "best.pt")["step"] == 20


def test_a_killed_process_may_have_replaced_the_waiting_network_already(begin, tmp_path):
    """The kill comes after last.pt is written, and before the network of the same step is kept."""
    first = begin(VALUES)
    first.train(20)
    (tmp_path / "evaluating-000020.pt").unlink()
    resumed = begin(VALUES, checkpoint=load(tmp_path / "last.pt"))
    assert resumed.pending_evaluations == resumed.kept == [0, 20], "the network of last.pt is that of step 20"


def test_on_a_cpu_every_network_is_evaluated_in_its_turn(begin, tmp_path):
    training = begin(VALUES, background=False)
    training.scorer.evaluating_seconds = 1e9
    training.train(LAST)
    assert training.told == list(VALUES.items()), "before the training goes on"
    training.finish()
    assert load(tmp_path / "best.pt")["step"] == 30


def test_an_evaluation_that_would_outlast_the_training_waits_for_a_later_network(begin):
    training = begin(VALUES)
    training.evaluated()
    training.scorer.evaluating_seconds = 35.0
    training.train(30)
    assert training.scorer.running == 10
    training.evaluated()
    training.scorer.evaluating_seconds = training.scorer._drawing_seconds = 35.0
    training.scorer._drawn_at = -1e9
    training.train(50)  # less than 30 seconds are left where the evaluation is reported
    assert training.scorer.running is None and training.kept == [50]
    assert not training.recorder.drawn, "figures of a new best do not outlast the training either"
    training.train(LAST)
    assert training.scorer.running == LAST
    training.finish()
    assert [step for step, _ in training.told] == [0, 10, LAST]


def test_embedding_for_evaluations_takes_a_small_share_of_the_training(begin, monkeypatch):
    monkeypatch.setattr(evaluation_schedule, "EMBEDDING_SHARE", 0.1)
    training = begin(VALUES, embedding_seconds=2.5)
    training.evaluated()
    training.train(24)
    assert training.told == [(0, 0.1)]
    assert training.scorer.running is None and training.kept == [20], "the evaluation is free, and in no hurry"
    training.train(25)
    assert training.scorer.running == 20, "25 s after the embedding before"
    training.evaluated()
    training.train(49)
    assert training.scorer.running is None
    training.train(LAST)
    assert training.scorer.running == 40
    training.finish()
    assert [step for step, _ in training.told] == [0, 20, 40, LAST], "the last network is embedded at once"


def test_after_a_signal_nothing_is_reported_any_more(begin):
    """A signal to all processes ends those of the evaluation too, which is no error then."""
    training = begin(VALUES)
    training.evaluator.error = ValueError("a process has ended")
    training.train(10)
    training.scorer.interruption._pending_signal = 15
    training.evaluated()
    training.train(11)
    assert training.told == []


@pytest.mark.parametrize(("before", "now"), [(None, []), (4, [4]), ([4, 8], [4, 8])])
def test_checkpoints_of_earlier_revisions_knew_one_pending_evaluation(tmp_path, before, now):
    save(tmp_path / "last.pt", {"evaluating": before})
    assert load(tmp_path / "last.pt")["evaluating"] == now
