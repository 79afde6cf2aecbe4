"""Tiles of several dates: which dates positives have, and that a tile is drawn only where its own date has data."""

import hashlib
from functools import partial

import numpy as np
import pytest
from areas_for_tests import Map

from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.batches import ClusterBatches, TupleBatches
from dataProcessors.sampling.nodata_limit import NodataLimit
from dataProcessors.sampling.pool import Pool, training_pool
from dataProcessors.sampling.supervised_sampler import SupervisedSampler

SIZE, WINDOW, LIMIT = 16, Window(0, 0, 640, 520), 0.1
QUADRUPLET = ("anchor", "positive", "negative", "negative2")
RULES = ("same", "other", "any")
# digests of what was drawn before maps could have dates
BEFORE = {
    "random": "dcb36ad5c173a6d3", "near": "95f2af921ba2bf3b",
    "label": "d8940618cf227ba0", "label near": "70c8ca10b3fa3b95",
}  # fmt: skip


def read(positions):
    return np.zeros((len(positions), 1, 1, 1), np.uint8)


def single_date_samplers():
    area = Area(Window(3, 5, 900, 800), SIZE, 6)
    places = np.stack(np.meshgrid(np.arange(40), np.arange(30)), -1).reshape(-1, 2).astype(np.int64)
    shares = np.random.default_rng(6).dirichlet([1] * 4, 1200).astype(np.float32)
    pool = Pool(np.random.default_rng(5).permutation(places), shares)
    return {
        "random": ImageSampler(area, 1, 5, 10, 25, seed=3), "near": ImageSampler(area, 0, 2, 10, 25, 0.3, seed=3),
        "label": SupervisedSampler(pool, 1.0, 3), "label near": SupervisedSampler(pool, 0.3, 3),
    }  # fmt: skip


@pytest.mark.parametrize("name", BEFORE)
def test_a_map_of_one_date_draws_what_it_drew_before_there_were_dates(name):
    sampler = single_date_samplers()[name]
    batches = TupleBatches(sampler, read, 12, QUADRUPLET, ("positive", "negative"))
    made = [batches.task(step)() for step in (1, 2)]
    candidates = [positions for batch in made for positions, _ in batch.candidates.values()]
    masks = [mask for batch in made for mask in (batch.positive, batch.negative)]
    drawn = [*(batch.positions for batch in made), *candidates, *masks, sampler.clusters(3, 4)]
    content = b"".join(np.ascontiguousarray(each, np.int64).tobytes() for each in drawn)
    assert hashlib.sha256(content).hexdigest()[:16] == BEFORE[name]


def cloudy_maps(dates=3):
    """A map for each date; each lacks data in another third, and nowhere have all of them data in the south."""
    maps = []
    for date in range(dates):
        there = np.ones((WINDOW.height, WINDOW.width), bool)
        there[:, date * 200 : date * 200 + 180] = False
        there[400:] &= date == 1
        maps.append(Map(there, WINDOW))
    return maps


def cloudy_area(maps):
    limits = [NodataLimit(each.summary, SIZE, LIMIT, partial(each.shares, size=SIZE)) for each in maps]
    return Area(WINDOW, SIZE, 6, limits[0], limits[1:])


def sampler_of(rule, seed=0, distances=(1, 3, 6, 12), random_reset=1.0):
    maps = cloudy_maps()
    sampler = ImageSampler(cloudy_area(maps), *distances, random_reset, seed, rule)
    sampler.begin_step(0)
    return sampler, maps


def allowed(rule, one, other):
    return {"same": one == other, "other": one != other, "any": True}[rule]


def has_data(maps, tile):
    x, y, date = tile
    return maps[date].shares(np.array([[x, y]]), SIZE)[0] <= LIMIT


def axes_within(one, other, low, high):
    return all(low * SIZE <= abs(a - b) <= high * SIZE for a, b in zip(one[:2], other[:2]))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("random_reset", [1.0, 0.0])
def test_tuples_obey_the_rule_and_each_tile_has_data_at_its_date(rule, random_reset):
    sampler, maps = sampler_of(rule, random_reset=random_reset)
    tuples = sampler.tuples(130, 2)
    assert tuples.shape == (130, 4, 3)
    for anchor, positive, negative, second in tuples.tolist():
        assert all(has_data(maps, tile) for tile in (anchor, positive, negative, second))
        assert allowed(rule, anchor[2], positive[2])
        assert axes_within(anchor, positive, 1, 3) and axes_within(anchor, negative, 6, 12)
        assert max(abs(a - b) for a, b in zip(negative[:2], second[:2])) >= 6 * SIZE
    pairs = {(anchor, other) for anchor, other in tuples[:, [0, 1], 2].tolist()}
    assert pairs == {(a, b) for a in range(3) for b in range(3) if allowed(rule, a, b)}
    negatives = {(anchor, other) for anchor, other in tuples[:, [0, 2], 2].tolist()}
    assert negatives == {(a, b) for a in range(3) for b in range(3)}, "negatives are of any date"
    assert not all(has_data(maps, [*tile[:2], date]) for tile in tuples[:, 0].tolist() for date in range(3))


@pytest.mark.parametrize("rule", RULES)
def test_masks_against_a_slow_loop(rule):
    sampler, _ = sampler_of(rule, distances=(0, 3, 6, 12))
    tiles = sampler.tuples(12).reshape(-1, 3)
    again = tiles[:5].copy()
    again[:, 2] = (again[:, 2] + 1) % 3
    tiles = np.concatenate([tiles, again, tiles[:3]])  # the same places at another date, and the same tiles
    positive, negative = sampler.masks(tiles)
    for row, one in enumerate(tiles.tolist()):
        for column, other in enumerate(tiles.tolist()):
            apart = max(abs(one[0] - other[0]), abs(one[1] - other[1]))
            near = apart <= 3 * SIZE and one != other and allowed(rule, one[2], other[2])
            assert (positive[row, column], negative[row, column]) == (near, apart >= 6 * SIZE)


def test_a_tile_of_any_date_with_data_is_equally_likely():
    maps = cloudy_maps()
    area = cloudy_area(maps)
    drawn = area.draw(6000, np.random.default_rng(0))
    assert area.accepts(drawn).all()
    every = np.stack(np.meshgrid(range(0, 624, 4), range(0, 504, 4), range(3)), -1).reshape(-1, 3)
    valid = every[area.accepts(every)]
    for part in (0, 1, 2):
        expected = (valid[:, 2] == part).mean()
        assert abs((drawn[:, 2] == part).mean() - expected) < 4 * np.sqrt(expected / 6000)
    south = drawn[drawn[:, 1] >= 400]
    assert len(south) and set(south[:, 2].tolist()) == {1}


def test_a_position_without_a_date_is_of_the_first_one():
    area = cloudy_area(cloudy_maps())
    positions = np.stack(np.meshgrid(range(0, 600, 7), range(0, 500, 9)), -1).reshape(-1, 2)
    dated = np.pad(positions, [(0, 0), (0, 1)])
    assert np.array_equal(area.accepts(positions), area.accepts(dated))
    first = area.of_first_date()
    assert np.array_equal(first.accepts(positions), area.accepts(positions))
    assert np.array_equal(first.scored_tiles(), area.scored_tiles())
    assert first.draw(9, np.random.default_rng(0)).shape == (9, 2)


@pytest.mark.parametrize("rule", ["other", "any"])
def test_at_a_distance_of_zero_the_positive_is_the_same_place_at_another_date(rule):
    sampler, _ = sampler_of(rule, distances=(0, 0, 6, 12))
    tuples = sampler.tuples(60)
    assert np.array_equal(tuples[:, 0, :2], tuples[:, 1, :2])
    assert (tuples[:, 0, 2] != tuples[:, 1, 2]).all()
    positive, negative = sampler.masks(tuples.reshape(-1, 3))
    assert positive[np.arange(0, 180, 3), np.arange(1, 180, 3)].all() and not (positive & negative).any()


def test_at_a_distance_of_zero_no_tile_is_its_own_positive():
    sampler, _ = sampler_of("same", distances=(0, 0, 6, 12))
    assert not sampler.try_positives(sampler.anchors(5))[1].any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("random_reset", [1.0, 0.2])
def test_clusters_are_of_one_date_or_of_any(rule, random_reset):
    sampler, maps = sampler_of(rule, distances=(0, 2, 6, 12), random_reset=random_reset)
    batches = ClusterBatches(sampler, read, 4, 6)
    clusters = np.concatenate([batches.task(step)().positions.reshape(4, 6, 3) for step in range(6)])
    assert all(has_data(maps, tile) for cluster in clusters.tolist() for tile in cluster)
    assert all(len({tuple(tile) for tile in cluster}) == 6 for cluster in clusters.tolist())
    dates = [len(set(cluster[:, 2].tolist())) for cluster in clusters]
    assert max(dates) == (1 if rule == "same" else 3)
    assert set(clusters[..., 2].ravel().tolist()) == {0, 1, 2}


@pytest.mark.parametrize("rule", RULES)
def test_candidates_of_offline_mining_and_second_negatives(rule):
    sampler, maps = sampler_of(rule)
    batches = TupleBatches(sampler, read, 8, QUADRUPLET, ("positive", "negative"))
    batch = batches.task(3)()
    assert batch.positions.shape == (32, 3) and batch.last_anchor.shape == (3,)
    anchors = batch.positions[batch.roles["anchor"]]
    for role in ("positive", "negative"):
        candidates, _ = batch.candidates[role]
        for anchor, drawn in zip(anchors.tolist(), candidates.tolist()):
            assert all(has_data(maps, tile) for tile in drawn)
            assert role == "negative" or all(allowed(rule, anchor[2], tile[2]) for tile in drawn)
    second, found = batches.second_negatives(3, anchors, batch.positions[batch.roles["negative"]])
    assert second.shape == (8, 3) and found.any() and all(has_data(maps, tile) for tile in second[found].tolist())


@pytest.mark.parametrize("rule", RULES)
def test_equal_seeds_give_equal_tiles(rule):
    one, again, other = (sampler_of(rule, seed)[0].tuples(20) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def dated_pool(seed=0, number=240, classes=4):
    """A pool of tiles of three classes at three dates, and of a class at a single one."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), number // classes)
    places = rng.permutation(90 * 90)[:number]
    dates = np.where(labels == classes - 1, 2, rng.integers(0, 3, number))
    tiles = np.stack([places % 90, places // 90, dates], 1)
    order = rng.permutation(number)
    return Pool(tiles[order], np.eye(classes, dtype=np.float32)[labels[order]])


@pytest.mark.parametrize("rule", RULES)
def test_positives_by_label_obey_the_rule(rule):
    pool = dated_pool()
    label = {tuple(tile): int(c) for tile, c in zip(pool.positions.tolist(), pool.labels)}
    sampler = SupervisedSampler(pool, 1.0, 0, rule)
    anchors = np.repeat(pool.positions, 40, 0)
    positives, found = sampler.try_positives(anchors)
    single = np.array([label[tuple(tile)] == 3 for tile in anchors.tolist()])
    assert np.array_equal(found, ~single if rule == "other" else np.ones(len(anchors), bool))
    drawn = {}
    for anchor, positive in zip(anchors[found].tolist(), positives[found].tolist()):
        assert label[tuple(anchor)] == label[tuple(positive)] and anchor != positive
        assert allowed(rule, anchor[2], positive[2])
        drawn.setdefault((label[tuple(anchor)], anchor[2]), set()).add(tuple(positive))
    for (of_label, date), seen in drawn.items():
        possible = {tile for tile, c in label.items() if c == of_label and allowed(rule, date, tile[2])}
        assert seen == possible, "every tile that is allowed is drawn"
    near = SupervisedSampler(pool, 0.0, 0, rule).anchors(300)
    assert len(set(near[:, 2].tolist())) == (1 if {label[tuple(tile)] for tile in near.tolist()} == {3} else 3)


@pytest.mark.parametrize("rule", RULES)
def test_masks_by_label_against_a_slow_loop(rule):
    pool = dated_pool()
    sampler = SupervisedSampler(pool, 1.0, 0, rule)
    tiles, labels = (
        np.concatenate([pool.positions[:50], pool.positions[:4]]),
        np.append(pool.labels[:50], pool.labels[:4]),
    )
    positive, negative = sampler.masks(tiles)
    for row, one in enumerate(tiles.tolist()):
        for column, other in enumerate(tiles.tolist()):
            same = labels[row] == labels[column]
            assert positive[row, column] == (same and one != other and allowed(rule, one[2], other[2]))
            assert negative[row, column] == (not same)


def test_the_training_pool_has_tiles_of_all_dates_where_they_have_data():
    maps = cloudy_maps()
    area = cloudy_area(maps)
    counts = np.ones((2, 5, 5), np.uint16)
    summary = type(maps[0].summary)(maps[0].summary.window, counts)
    asked = []

    def shares(positions):
        asked.append(positions.shape[1])
        return np.eye(2, dtype=np.float32)[(positions[:, 0] // 32) % 2]

    pool = training_pool(area, summary, shares, 200, np.random.default_rng(0))
    assert set(asked) == {3} and area.accepts(pool.positions).all()
    assert np.bincount(pool.positions[:, 2], minlength=3).min() > 20
