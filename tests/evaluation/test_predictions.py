"""Predictions for all draws: the same in one process and in several, and nothing found twice for both tasks."""

from types import SimpleNamespace

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor

from evaluation import basis, predictions
from evaluation.models import CLASSIFIERS, REGRESSORS
from evaluation.predictions import Tiles, predict, with_threads

TABLES = [CLASSIFIERS, REGRESSORS]
NAMES = [("knn", "linear", "rfc"), ("linear", "knn", "dt")]


def two_tasks(draws=3, fit=60, score=20):
    """For each draw the tiles of both tasks, with the same features."""
    rng, made = np.random.default_rng(0), []
    for _ in range(draws):
        parts = rng.normal(size=(fit, 8)), rng.normal(size=(score, 8))
        labels = [part[:, :3].argmax(1) for part in parts]
        made.append([Tiles(*parts, *labels), Tiles(*(part.copy() for part in parts), *(np.eye(3)[x] for x in labels))])
    return made


def models():
    return [{name: table[name](0, 2) for name in names} for table, names in zip(TABLES, NAMES)]


def test_processes_predict_what_one_process_does(monkeypatch):
    monkeypatch.setattr(predictions, "PROCESSES_FROM", np.inf)
    alone = predict(models(), two_tasks(), 2)
    called = []
    in_processes = predictions.in_processes
    monkeypatch.setattr(predictions, "PROCESSES_FROM", 0.0)
    monkeypatch.setattr(predictions, "in_processes", lambda *args: called.append(args) or in_processes(*args))
    beside = predict(models(), two_tasks(), 2)
    assert len(called) == 1, "the strength that `linear` chose on the first draw goes to the processes"
    for by_task, again in zip(alone, beside, strict=True):
        for names, by_name, same in zip(NAMES, by_task, again, strict=True):
            assert tuple(by_name) == tuple(same) and set(by_name) == set(names)
            for name, values in by_name.items():
                np.testing.assert_array_equal(same[name], values)

    get_reusable_executor(reuse=True).shutdown(kill_workers=True)


def test_what_the_first_draw_cannot_choose_is_chosen_before_processes_start(monkeypatch):
    """A first draw of one class alone: the next ones would choose in their processes, each by itself."""
    drawn, chosen = two_tasks(draws=4), []
    drawn[0] = [tiles._replace(fit_truth=tiles.fit_truth[:1].repeat(60, 0)) for tiles in drawn[0]]
    monkeypatch.setattr(predictions, "PROCESSES_FROM", 0.0)
    monkeypatch.setattr("evaluation.linear.choose_strength", lambda *labelled: chosen.append(1) or 1.0)

    def in_processes(models, pieces, jobs, threads):
        assert chosen == [1] and any(tiles is drawn[0] for tiles, _ in pieces)
        return [predictions.predict_one(models, *piece) for piece in pieces]

    monkeypatch.setattr(predictions, "in_processes", in_processes)
    found = predict(models(), drawn, 2)
    assert chosen == [1] and (found[0][0]["linear"] == drawn[0][0].fit_truth[0]).all()


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 0.0), (2, np.inf)])
def test_little_work_starts_no_process(monkeypatch, jobs, seconds):
    monkeypatch.setattr(predictions, "PROCESSES_FROM", seconds)
    monkeypatch.setattr(predictions, "in_processes", None)
    assert len(predict(models(), two_tasks(), jobs)) == 3


def test_a_single_piece_of_work_starts_no_process(monkeypatch):
    monkeypatch.setattr(predictions, "PROCESSES_FROM", 0.0)
    monkeypatch.setattr(predictions, "in_processes", None)
    alone = [{"knn": table["knn"](0, 2)} for table in TABLES]
    assert len(predict(alone, two_tasks(draws=2), 2)) == 2


def test_pieces_of_work_fill_the_cores_and_the_longest_come_first(monkeypatch):
    """Eight cores, two more draws of four models: eight processes, and four threads for the models of each draw."""
    seen, seconds, now = [], {"knn": 1.0, "linear": 3.0, "rfc": 9.0, "dt": 2.0}, [0.0]

    def predict_one(models, tiles, name):
        now[0] += seconds[name]
        return [{name: np.full(len(tiles[0].truth), len(name))} for _ in models]

    def in_processes(models, pieces, jobs, threads):
        seen.append(([name for _, name in pieces], jobs, threads))
        return [[{name: tiles[0].score[:, 0]} for _ in models] for tiles, name in pieces]

    monkeypatch.setattr(predictions, "predict_one", predict_one)
    monkeypatch.setattr(predictions, "in_processes", in_processes)
    monkeypatch.setattr(predictions, "time", SimpleNamespace(monotonic=lambda: now[0]))
    drawn = two_tasks()
    found = predict(models(), drawn, 8)
    assert seen == [(["rfc"] * 2 + ["linear"] * 2 + ["dt"] * 2 + ["knn"] * 2, 8, 4)]
    for tiles, by_task in zip(drawn[1:], found[1:]):
        assert list(by_task[0]) == ["knn", "linear", "rfc", "dt"]
        assert all((values == tiles[0].score[:, 0]).all() for values in by_task[0].values()), "each draw has its own"


def test_both_tasks_share_the_axes_of_a_draw(monkeypatch):
    found, find = [], basis._find
    monkeypatch.setattr(basis, "_find", lambda features: found.append(1) or find(features))
    predict(models(), two_tasks(), 1)
    assert len(found) == 3
    tiles = two_tasks(1)[0]
    tiles[1] = tiles[1]._replace(fit=tiles[1].fit[::-1])
    predict(models(), [tiles], 1)
    assert len(found) == 5


@pytest.mark.parametrize("empty", ["fit", "score"])
def test_nothing_to_fit_on_or_to_score(empty):
    full, proportions = two_tasks(1)[0]
    without = Tiles(*(part[:0] if empty in field else part for field, part in zip(["fit", "score"] * 2, full)))
    classes, shares = predict(models(), [[without, proportions]], 1)[0]
    assert classes == {} and set(shares) == set(NAMES[1])


def test_a_model_of_one_task_alone():
    classes, shares = predict([models()[0], {}], two_tasks(1), 1)[0]
    assert set(classes) == set(NAMES[0]) and shares == {}


@pytest.mark.parametrize("table", TABLES)
def test_threads_of_a_process(table):
    numbers = {
        name: {value for key, value in with_threads(factory(0, 7), 3).get_params().items() if key.endswith("n_jobs")}
        for name, factory in table.items()
    }
    assert numbers["knn"] == numbers["rfc"] == {3}
    assert all(found <= {3} for found in numbers.values())
