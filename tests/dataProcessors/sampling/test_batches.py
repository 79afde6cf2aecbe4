"""Batches: what is in them, and that reading ahead changes nothing."""

import threading
from typing import NamedTuple

import numpy as np
import pytest

from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.batches import OFFLINE_DRAWS, ClusterBatches, IndexBatches, TupleBatches, cluster_roles
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.reading_ahead import read_ahead
from dataProcessors.sampling.supervised_sampler import SupervisedSampler

SIZE, STEPS = 16, 6
TRIPLET, QUADRUPLET = ("anchor", "positive", "negative"), ("anchor", "positive", "negative", "negative2")


def read(positions):
    """Tiles (N, 2, 1, 1) that hold their own position."""
    return np.asarray(positions)[:, :, None, None].copy()


def by_distance(random_reset=0.3):
    return ImageSampler(Area(Window(0, 0, 1500, 1300), SIZE, 6), 1, 5, 10, 25, random_reset, seed=3)


def pool_of(classes=4, tiles=30):
    labels = np.repeat(np.arange(classes), tiles)
    positions = np.random.default_rng(0).permutation(10_000)[: len(labels)]
    return Pool(np.stack([positions % 100, positions // 100], 1) * 9, np.eye(classes, dtype=np.float32)[labels])


def by_label(random_reset=0.3):
    return SupervisedSampler(pool_of(), random_reset, seed=3)


SAMPLERS = {"by distance": by_distance, "by label": by_label}


def all_arrays(batch):
    candidates = [part for parts in batch.candidates.values() for part in parts]
    given = [batch.positions, batch.tiles, batch.positive, batch.negative, batch.last_anchor, batch.clusters]
    return [array for array in [*given, *batch.roles.values(), *candidates] if array is not None]


def assert_equal(first, second):
    assert first.step == second.step
    assert len(all_arrays(first)) == len(all_arrays(second)) >= 5
    assert all(np.array_equal(a, b) for a, b in zip(all_arrays(first), all_arrays(second)))


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("roles", [TRIPLET, QUADRUPLET])
def test_a_batch_of_tuples(make, roles):
    sampler = make()
    batch = TupleBatches(sampler, read, 10, roles, ("positive", "negative")).task(4)()
    assert (batch.step, batch.positions.shape) == (4, (10 * len(roles), 2))
    assert np.array_equal(batch.tiles, read(batch.positions))
    assert tuple(batch.roles) == roles
    assert [rows.tolist() for rows in batch.roles.values()] == np.arange(10 * len(roles)).reshape(-1, 10).tolist()
    positive, negative = sampler.masks(batch.positions)
    assert np.array_equal(batch.positive, positive) and np.array_equal(batch.negative, negative)
    anchor, first = batch.roles["anchor"], batch.roles["negative"]
    assert positive[anchor, batch.roles["positive"]].all() and negative[anchor, first].all()
    if roles == QUADRUPLET:
        second = batch.roles["negative2"]
        assert negative[anchor, second].all() and negative[first, second].all()


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
def test_offline_candidates_are_admissible(make):
    sampler = make()
    batch = TupleBatches(sampler, read, 10, QUADRUPLET, ("positive", "negative")).task(0)()
    anchors = batch.positions[batch.roles["anchor"]]
    assert set(batch.candidates) == {"positive", "negative"}
    for role, (positions, tiles) in batch.candidates.items():
        assert positions.shape == (10, OFFLINE_DRAWS, 2) and tiles.shape == (10, OFFLINE_DRAWS, 2, 1, 1)
        assert np.array_equal(tiles[..., 0, 0], positions)
        for anchor, places in zip(anchors, positions):
            admissible = sampler.masks(np.concatenate([anchor[None], places]))[role == "negative"][0, 1:]
            assert admissible.all()
            assert len(np.unique(places, axis=0)) > 1
    assert TupleBatches(sampler, read, 10, QUADRUPLET).task(0)().candidates == {}


def test_where_no_candidate_is_found_the_drawn_tile_stands_in():
    class Scarce(ImageSampler):
        drawn = 0

        def try_positives(self, anchors):
            positions, found = super().try_positives(anchors)
            self.drawn += 1
            return positions, found & (self.drawn == 1 or np.arange(len(anchors)) % 2 == 0)

    sampler = Scarce(Area(Window(0, 0, 1500, 1300), SIZE, 6))
    batch = TupleBatches(sampler, read, 6, TRIPLET, ("positive",)).task(0)()
    positions = batch.candidates["positive"][0]
    drawn = batch.positions[batch.roles["positive"]][:, None]
    assert (positions[:, 1::2] == drawn).all()
    assert (positions[:, ::2] != drawn).any(-1).mean() > 0.9


def test_second_negatives_are_far_from_both_and_disturb_no_draw():
    sampler = by_distance()
    batches = TupleBatches(sampler, read, 10, QUADRUPLET)
    batch = batches.task(0)()
    anchors, negatives = (batch.positions[batch.roles[role]] for role in ("anchor", "negative"))
    state = sampler.rng.bit_generator.state
    second, found = batches.second_negatives(0, anchors, negatives)
    assert found.all() and sampler.rng.bit_generator.state == state
    negative = batches.masks(np.concatenate([second, anchors, negatives]))[1][:10, 10:]
    assert negative[:, :10].diagonal().all() and negative[:, 10:].diagonal().all()
    assert not np.array_equal(second, batch.positions[batch.roles["negative2"]])
    assert np.array_equal(second, batches.second_negatives(0, anchors, negatives)[0])


def test_a_batch_of_clusters():
    batch = ClusterBatches(by_distance(), read, 4, 7).task(2)()
    assert batch.positions.shape == (28, 2) and batch.clusters.tolist() == np.repeat(np.arange(4), 7).tolist()
    assert list(batch.roles) == ["cluster 0", "cluster 1", "cluster 2", "cluster 3"]
    assert batch.roles["cluster 2"].tolist() == list(range(14, 21))
    assert batch.cluster_classes is None and batch.positive is None


class Drawn(NamedTuple):
    tiles: np.ndarray
    clusters: np.ndarray
    cluster_classes: np.ndarray
    cluster_ids: np.ndarray


class Index:
    """Stands for a cluster index: draws tiles at random out of those it is told to."""

    def __init__(self, among):
        self.among = among

    def draw(self, clusters, tiles, rng):
        ids = np.arange(clusters)
        return Drawn(rng.choice(self.among, clusters * tiles), np.repeat(ids, tiles), ids % 2, ids + 40)


def test_a_batch_of_an_index():
    pool = pool_of()
    batches = IndexBatches(pool, read, 3, 5, seed=1)
    batches.index = Index(np.arange(10))
    task = batches.task(0)
    batches.index = Index(np.arange(50, 60))  # of the next epoch: what was drawn before stays
    batch = task()
    assert_equal(batch, batches.task(0)())
    assert (batch.positions[:, None] == pool.positions[:10]).all(-1).any(1).all()
    assert np.array_equal(batch.tiles, read(batch.positions))
    assert batch.cluster_classes.tolist() == [0, 1, 0] and batch.cluster_ids.tolist() == [40, 41, 42]
    later = batches.task(1)()
    assert (later.positions[:, None] == pool.positions[50:60]).all(-1).any(1).all()
    assert not np.array_equal(later.positions, batches.task(2)().positions)
    batches.drawn.clear()
    assert_equal(later, batches.task(1)())


def test_cluster_roles_of_clusters_of_any_size():
    roles = cluster_roles(np.array([2, 0, 2, 5]))
    assert {name: rows.tolist() for name, rows in roles.items()} == {
        "cluster 0": [1], "cluster 2": [0, 2], "cluster 5": [3]}  # fmt: skip


MAKERS = {
    "triplets by distance": lambda: TupleBatches(by_distance(), read, 8, TRIPLET, ("negative",)),
    "quadruplets by label": lambda: TupleBatches(by_label(), read, 8, QUADRUPLET, ("positive",)),
    "clusters": lambda: ClusterBatches(by_distance(), read, 3, 5),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("ahead", [1, 2, 5, 50])
def test_reading_ahead_changes_no_batch(make, ahead):
    batches = make()
    one_by_one = [batches.task(step)() for step in range(STEPS)]
    other = make()
    for first, second in zip(one_by_one, read_ahead((other.task(step) for step in range(STEPS)), ahead), strict=True):
        assert_equal(first, second)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_any_step_can_be_made_again(make):
    batches = make()
    made = [batches.task(step)() for step in range(STEPS)]
    again = make()
    again.last_anchor = made[2].last_anchor
    for step in range(3, STEPS):
        assert_equal(again.task(step)(), made[step])


@pytest.mark.parametrize("make", [lambda s: TupleBatches(s, read, 8, TRIPLET), lambda s: ClusterBatches(s, read, 3, 5)])
def test_the_walk_goes_on_from_batch_to_batch(make):
    batches = make(ImageSampler(Area(Window(0, 0, 20_000, 20_000), SIZE, 6), 1, 5, 10, 25, random_reset=0.0))
    made = [batches.task(step)() for step in range(8)]
    first = np.array([batch.positions[0] for batch in made[1:]])
    last = np.array([batch.last_anchor for batch in made[:-1]])
    assert np.abs(first - last).max() <= (25 + 5) * SIZE


# read_ahead itself


def test_read_ahead_keeps_the_order_and_is_lazy():
    taken, made, used = [], [], []

    def tasks():
        for i in range(10):
            taken.append(i)
            yield lambda i=i: made.append(i) or i

    batches = read_ahead(tasks(), 3)
    assert taken == []
    for batch in batches:
        used.append(batch)
        assert taken == list(range(min(len(used) + 3, 10)))  # at the same point of the training in every run
        assert len(made) <= len(used) + 3
    assert used == made == list(range(10))
    assert list(read_ahead(iter([]))) == []


def test_tasks_run_beside_the_consumer_in_one_thread():
    threads = list(read_ahead(iter([threading.get_ident] * 4)))
    assert len(set(threads)) == 1 and threads[0] != threading.get_ident()


def test_an_exception_comes_where_its_batch_would():
    def fail():
        raise ValueError("damaged")

    used, late = [], []
    with pytest.raises(ValueError, match="damaged"):
        for batch in read_ahead(iter([lambda: 0, lambda: 1, fail, lambda: late.append(3)]), 1):
            used.append(batch)
    assert used == [0, 1] and late == []


def test_stopping_early_ends_the_thread():
    before = threading.active_count()
    batches = read_ahead((lambda i=i: i for i in range(1000)), 2)
    assert next(batches) == 0 and threading.active_count() == before + 1
    batches.close()
    assert threading.active_count() == before
