"""Training: which tiles a step forms tuples of, when evaluations are reported, the run's folder."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from schedules_for_tests import Recorder, StubEvaluator, snapshot

import config as configuration
from config import UserError
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.batches import Batch
from evaluation.scoring import Score, objective
from training.runs.folder import create_folder, lock_folder
from training.runs.interruption import Interruption
from training.scoring.schedule import EvaluationSchedule, Snapshot
from training.steps.history import MAX_HARDEST, MAX_SAMPLED, HardestTuples, SampledPositions
from training.steps.step import EmbedFunctions
from training.steps.tuple_step import TupleStep

SIZE = 8


def tuple_step(loss: str, mining: list[str], read=None) -> TupleStep:
    values = {"network": "test_resnet", "loss": loss, "mining": mining, "validation_map": "osm", "batch_size": 5}
    area = Area(Window(0, 0, 640, 640), SIZE, 6)
    sampler = ImageSampler(area, 1, 3, 10, 25, seed=3)
    maps = SimpleNamespace(sampler=lambda: sampler, read=read or place_as_pixels, pools={})
    return TupleStep(configuration.validate(values), maps)


def place_as_pixels(positions: np.ndarray) -> np.ndarray:
    """Tiles (N, 2, 1, 1) whose two bands say where they lie."""
    return np.asarray(positions, np.float32)[:, :, None, None]


def embed_places(tiles: np.ndarray) -> torch.Tensor:
    """A stand-in for a network: the distance of two tiles is that of their places on a bent map."""
    places = torch.from_numpy(np.ascontiguousarray(tiles)).reshape(len(tiles), 2)
    return torch.stack([places[:, 0] % 97, places[:, 1] % 89], 1).requires_grad_()


def embed_batch(batch: Batch) -> torch.Tensor:
    return embed_places(batch.tiles)


def as_embedding(train=embed_batch, no_grad=embed_places, eval_with_grad=embed_places) -> EmbedFunctions:
    return EmbedFunctions(train, lambda tiles: no_grad(tiles).detach(), eval_with_grad)


def squared(first: np.ndarray, second: np.ndarray) -> float:
    bent = [np.array([place[0] % 97, place[1] % 89], float) for place in (first, second)]
    return float(((bent[0] - bent[1]) ** 2).sum())


def hinge(value: float) -> float:
    return max(0.0, value)


def test_without_mining_the_tuples_are_those_drawn():
    step = tuple_step("tripletloss", [])
    batch = step.batches.task(1)()
    terms = step(batch, as_embedding()).terms.detach().numpy()
    anchor, positive, negative = (batch.positions[batch.roles[role]] for role in ("anchor", "positive", "negative"))
    expected = [hinge(squared(a, p) - squared(a, n) + 0.5) for a, p, n in zip(anchor, positive, negative)]
    np.testing.assert_allclose(terms, expected, rtol=1e-5)


@pytest.mark.parametrize("mining", [["HARD_NEGATIVE"], ["HARD_POSITIVE"], ["HARD_NEGATIVE", "HARD_POSITIVE"]])
def test_online_mining_takes_the_hardest_admissible_tile(mining):
    step = tuple_step("tripletloss", mining)
    batch = step.batches.task(2)()
    terms = step(batch, as_embedding()).terms.detach().numpy()
    for i, term in enumerate(terms):
        near = [j for j in range(len(batch.positions)) if batch.positive[i, j]]
        far = [j for j in range(len(batch.positions)) if batch.negative[i, j]]
        distance = {j: squared(batch.positions[i], batch.positions[j]) for j in range(len(batch.positions))}
        p = max((distance[j] for j in near), default=None) if "HARD_POSITIVE" in mining else None
        n = min((distance[j] for j in far), default=None) if "HARD_NEGATIVE" in mining else None
        p = distance[int(batch.roles["positive"][i])] if p is None else p
        n = distance[int(batch.roles["negative"][i])] if n is None else n
        assert term == pytest.approx(hinge(p - n + 0.5), rel=1e-5)


def test_offline_mining_keeps_the_hardest_of_fresh_admissible_draws():
    step = tuple_step("tripletloss", ["RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"])
    batch = step.batches.task(3)()
    candidates = {role: positions.copy() for role, (positions, _) in batch.candidates.items()}
    step(batch, as_embedding())
    anchors = batch.positions[batch.roles["anchor"]]
    for role, hardest in (("negative", min), ("positive", max)):
        assert candidates[role].shape == (5, 10, 2)
        for anchor, chosen, drawn in zip(anchors, batch.positions[batch.roles[role]], candidates[role]):
            assert squared(anchor, chosen) == hardest(squared(anchor, place) for place in drawn)
    np.testing.assert_array_equal(batch.tiles, place_as_pixels(batch.positions))
    positive, _ = step.batches.masks(batch.positions)
    np.testing.assert_array_equal(batch.positive, positive)


def test_offline_mining_embeds_without_gradient():
    step, seen = tuple_step("tripletloss", ["RANDOM_HARD_NEGATIVE"]), []

    def frozen(tiles):
        seen.append(len(tiles))
        return embed_places(tiles)

    step(step.batches.task(1)(), as_embedding(no_grad=frozen))
    assert seen == [5, 50], "the anchors and ten draws for each"


def test_second_negative_is_the_admissible_tile_closest_to_the_mined_first():
    step = tuple_step("quadrupletloss", ["HARD_NEGATIVE"])
    batch = step.batches.task(4)()
    n = len(batch.positions)
    distance = np.array([[squared(batch.positions[i], batch.positions[j]) for j in range(n)] for i in range(n)])
    terms = step(batch, as_embedding()).terms.detach().numpy()
    for i, term in enumerate(terms):
        first = min((j for j in range(n) if batch.negative[i, j]), key=lambda j: (distance[i, j], j))
        second = int(batch.roles["negative2"][i])
        if first != batch.roles["negative"][i]:
            both = [j for j in range(n) if batch.negative[i, j] and batch.negative[first, j]]
            second = min(both, key=lambda j: (distance[first, j], j))
        near = distance[i, int(batch.roles["positive"][i])]
        expected = hinge(near - distance[i, first] + 0.5) + hinge(near - distance[second, first] + 0.25)
        assert term == pytest.approx(expected, rel=1e-5)


def test_second_negative_is_drawn_anew_where_the_batch_has_none():
    step, extra = tuple_step("quadrupletloss", ["HARD_NEGATIVE"]), []
    batch = step.batches.task(5)()
    negative = np.zeros_like(batch.negative)
    anchors, firsts = batch.roles["anchor"], np.roll(batch.roles["negative"], 1)
    negative[anchors, firsts] = True  # one candidate for each anchor, none that is also a negative of that candidate
    batch.negative = negative

    def embed_extra(tiles):
        extra.append(tiles)
        return embed_places(tiles)

    output = step(batch, as_embedding(eval_with_grad=embed_extra))
    places = np.concatenate(extra).reshape(-1, 2)
    assert len(places) == len(anchors)
    for place, anchor, first in zip(places, batch.positions[anchors], batch.positions[firsts]):
        assert np.abs(place - anchor).max() >= 10 * SIZE
        assert np.abs(place - first).max() >= 10 * SIZE
    output.terms.sum().backward()


def test_sampled_keeps_an_even_part_of_very_many_positions():
    sampled = SampledPositions()
    for i in range(0, 5 * MAX_SAMPLED, 100):
        sampled.add("anchor", np.stack([np.arange(i, i + 100)] * 2, 1))
    kept = sampled.by_role()["anchor"][:, 0]
    assert MAX_SAMPLED / 4 <= len(kept) <= MAX_SAMPLED
    assert len(np.unique(np.diff(kept))) == 1, "early places are kept as often as late ones"
    assert kept[0] == 0
    assert kept[-1] > 4.9 * MAX_SAMPLED


def test_hardest_tuples_are_those_of_largest_loss_of_all_steps():
    rng, hardest, all_terms = np.random.default_rng(0), HardestTuples(), []
    for step in range(20):
        terms = rng.random(12).round(3)
        positions = np.stack([np.full(24, step), np.arange(24)], 1)
        hardest.add(terms, positions, lambda chosen: {"anchor": chosen, "negative": chosen + 12})
        all_terms += [(term, step, i) for i, term in enumerate(terms)]
    expected = sorted(all_terms, key=lambda each: -each[0])[:MAX_HARDEST]
    assert hardest.losses == [term for term, _, _ in expected]
    assert hardest.positions == [{"anchor": [step, i], "negative": [step, i + 12]} for _, step, i in expected]
    positions, rows = hardest.tiles_by_role()
    assert [role for role, _ in rows] == ["anchor", "negative"]
    assert positions[rows[1][1]].tolist() == [[step, i + 12] for _, step, i in expected]
    again = HardestTuples()
    again.load_state_dict(hardest.state_dict())
    assert (again.losses, again.positions) == (hardest.losses, hardest.positions)
    hardest.clear()
    assert hardest.tiles_by_role()[1] == [] and len(again.losses) == MAX_HARDEST


def test_tuples_without_loss_or_without_a_tile_are_not_hard():
    hardest = HardestTuples()
    positions = np.arange(8).reshape(4, 2)
    hardest.add(np.array([0.0, 2.0, 1.0]), positions, lambda chosen: {"tile": chosen, "other": np.array([-1, 3])})
    assert hardest.losses == [1.0]
    assert hardest.positions == [{"tile": [4, 5], "other": [6, 7]}]
    hardest.add(np.zeros(3), positions, lambda chosen: pytest.fail("nothing was hard"))


class Evaluated:
    """Notes which networks were the best so far."""

    def __init__(self):
        self.told = []

    def __call__(self, snapshot: Snapshot, best: bool) -> None:
        self.told.append(best)


def schedule_of(evaluator, recorder, beside=0) -> EvaluationSchedule:
    return EvaluationSchedule(evaluator, recorder, "retrieval/MAP@R", Interruption(), beside)


def no_checkpoint(name: str):
    raise AssertionError(f"{name} was asked for, though all is known")


@pytest.mark.parametrize("beside", [False, True])
def test_scorer_reports_every_evaluation_in_order_and_tells_the_best(beside):
    evaluator, recorder, evaluated = StubEvaluator(), Recorder(), Evaluated()
    schedule = schedule_of(evaluator, recorder, beside)
    for step, value in enumerate((0.1, 0.5, 0.9, float("nan"), 0.7, 0.9)):
        schedule.submit(snapshot(step, value), evaluated)
        schedule.poll()
    schedule.finish(no_checkpoint)
    assert [step for step, _, _ in recorder.told] == [0, 1, 2, 3, 4, 5]
    assert all(in_main for _, _, in_main in recorder.told), "the training says when scores are shown"
    assert evaluated.told == [True, True, True, False, False, False], "of two that are as good the first is kept"
    assert recorder.drawn == [2, 5], "figures of the best and of the last"
    assert recorder.folders == ["best", "last"]
    assert recorder.drawn_beside == [beside] * 2, "UMAP takes seconds, for which a GPU need not wait"


def test_untrained_network_is_scored_beside_the_yardsticks():
    recorder = Recorder()
    schedule = schedule_of(StubEvaluator(), recorder)
    recorder.log_scores = lambda step, evaluations: recorder.told.append([e.features for e in evaluations])
    for step in (0, 1):
        schedule.submit(snapshot(step, 0.5), lambda snapshot, best: None)
    assert recorder.told == [["trained", "trained", "band_statistics"], ["trained"]]


def test_figures_of_a_last_that_is_the_best_are_drawn_once():
    recorder = Recorder()
    schedule = schedule_of(StubEvaluator(), recorder)
    for step, value in ((0, 0.1), (1, 0.5)):
        schedule.submit(snapshot(step, value), lambda snapshot, best: None)
    schedule.finish(no_checkpoint)
    assert recorder.drawn == [1]


def test_scorer_that_goes_on_draws_figures_of_a_best_that_an_earlier_process_found():
    first, second = (schedule_of(StubEvaluator(), Recorder()) for _ in range(2))
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
    schedule = schedule_of(evaluator, recorder, beside=2)
    evaluator.go.clear()
    schedule.submit(snapshot(1, 0.5), lambda snapshot, best: None)
    schedule.poll()
    assert recorder.told == []
    evaluator.go.set()
    schedule.finish(no_checkpoint)
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


CONFIG = {"network": "test_resnet", "loss": "magnetloss", "validation_map": "osm", "maps": "demo"}


def test_folder_of_a_name_that_exists_gets_a_number(tmp_path):
    config = configuration.validate(CONFIG)
    (tmp_path / "run-2").write_text("a file, not a folder")
    names = [create_folder("run", config, {}, tmp_path).name for _ in range(3)]
    assert names == ["run", "run-3", "run-4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run-2", "run-3", "run-4"]
    names = [create_folder("several/run", config, {}, tmp_path) for _ in range(2)]
    assert names == [tmp_path / "several" / "run", tmp_path / "several" / "run-2"]


def test_folder_that_cannot_be_made_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        create_folder("run", configuration.validate(CONFIG), {}, tmp_path / "file")


def test_description_of_a_run_loads_as_a_config(tmp_path):
    config = configuration.validate(CONFIG)
    folder = create_folder("run", config, {"image": {"path": "x"}}, tmp_path)
    assert configuration.load(folder / "config.json") == config
    about = json.loads((folder / "run.json").read_text())
    assert about["maps"] == {"image": {"path": "x"}}
    assert about["packages"]["torch"]


def test_only_one_process_makes_a_run(tmp_path):
    lock = lock_folder(tmp_path)
    with pytest.raises(UserError, match="another process"):
        lock_folder(tmp_path)
    lock.release()
    lock_folder(tmp_path).release()


def test_roles_of_a_batch_cover_its_tiles_once():
    batch: Batch = tuple_step("quadrupletloss", []).batches.task(1)()
    np.testing.assert_array_equal(np.concatenate(list(batch.roles.values())), np.arange(len(batch.positions)))
