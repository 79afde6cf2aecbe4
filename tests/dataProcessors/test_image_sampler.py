"""Tiles by map distance: where they lie, how far from one another, and that nothing of a reserved cell is touched."""

import numpy as np
import pytest
from areas_for_tests import Map, a_third_missing, reserved_pixels, touched

from dataProcessors.imageSampler import ImageSampler, distinct
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area, SamplingError

WINDOW = Window(37, 501, 1500, 1300)
SIZE = 16


def sampler_of(window=WINDOW, size=SIZE, spacing=6, distances=(1, 5, 10, 25), random_reset=1.0, seed=0):
    sampler = ImageSampler(Area(window, size, spacing), *distances, random_reset, seed)
    sampler.begin_step(0)
    return sampler


def apart(first, second):
    """|dx| and |dy| of each pair in tile sides: (n, 2)."""
    return np.abs(first - second) / SIZE


@pytest.mark.parametrize("random_reset", [1.0, 0.0])
@pytest.mark.parametrize(("size", "spacing", "window"), [(16, 6, WINDOW), (33, 4, Window(3, 0, 2001, 1501))])
def test_no_pixel_of_a_reserved_cell_in_100_000_positions(random_reset, size, spacing, window):
    sampler = sampler_of(window, size, spacing, (1, 3, 4, 12), random_reset)
    anchors = sampler.anchors(2000)
    parts = [anchors]
    for _ in range(26):
        parts += [part[found] for part, found in (sampler.try_positives(anchors), sampler.try_negatives(anchors))]
    negatives, found = sampler.try_negatives(anchors)
    second, found_second = sampler.try_negatives(anchors[found], negatives[found])
    parts += [negatives[found], second[found_second], sampler.tuples(3000, 2).reshape(-1, 2)]
    for step in range(40):
        sampler.begin_step(step)
        parts.append(sampler.clusters(5, 25).reshape(-1, 2))
    positions = np.concatenate(parts)
    assert len(positions) > 100_000 and len(distinct(positions)) > 50_000
    area = sampler.area
    reserved = reserved_pixels(area, spacing)
    assert not touched(positions, size, window, reserved).any()
    scored = area.scored_tiles()
    assert touched(scored, size, window, reserved).all()
    assert not touched(scored, size, window, ~reserved).any()  # and what is scored reaches out of none


def test_distances_are_uniform_per_axis_and_of_either_sign():
    """On a map so large that hardly any place is refused for lying outside."""
    window = Window(0, 0, 100_000, 100_000)
    sampler = sampler_of(window, spacing=200)
    anchors = sampler.anchors(20_000)
    for positions, low, high in ((sampler.positives(anchors), 16, 80), (sampler.negatives(anchors), 160, 400)):
        offsets = positions - anchors
        assert np.abs(offsets).min() == low and np.abs(offsets).max() == high
        signs = np.bincount((offsets > 0) @ [1, 2], minlength=4) / len(offsets)
        assert np.allclose(signs, 0.25, atol=0.015)  # four standard deviations are 0.012
        for axis in (0, 1):
            counts = np.histogram(np.abs(offsets[:, axis]), 13, (low - 0.5, high + 0.5))[0] * 13 / len(offsets)
            assert np.allclose(counts, 1, atol=0.12)
        assert abs(np.corrcoef(np.abs(offsets).T)[0, 1]) < 0.03


def test_distances_near_the_edges_stay_in_range():
    sampler = sampler_of()
    anchors = sampler.anchors(4000)
    positives, negatives = sampler.try_positives(anchors), sampler.try_negatives(anchors)
    for (positions, found), low, high in ((positives, 1, 5), (negatives, 10, 25)):
        assert found.mean() > 0.99
        distance = apart(positions, anchors)[found]
        assert distance.min() >= low and distance.max() <= high
        assert {(bool(x), bool(y)) for x, y in (positions - anchors)[found] > 0} == {
            (False, False), (False, True), (True, False), (True, True)}  # fmt: skip


def test_a_positive_is_never_the_anchor_itself():
    sampler = sampler_of(Window(0, 0, 300, 300), distances=(0, 0.1, 2, 5))  # at most one pixel along each axis
    anchors = sampler.anchors(2000)
    positives, found = sampler.try_positives(anchors)
    assert found.mean() > 0.95
    assert (positives[found] != anchors[found]).any(1).all()
    assert apart(positives, anchors).max() <= 2 / SIZE


@pytest.mark.parametrize("distances", [(1, 5, 10, 25), (1, 2, 12, 13)])
def test_a_second_negative_is_far_from_both(distances):
    sampler = sampler_of(distances=distances)
    anchors = sampler.anchors(2000)
    negatives = sampler.negatives(anchors)
    second, found = sampler.try_negatives(anchors, negatives)
    assert found.mean() > 0.95
    for other in (anchors, negatives):
        assert apart(second, other)[found].max(1).min() >= distances[2]
    near = apart(second, anchors)[found].max(1) <= distances[3]
    assert near.mean() > 0.3  # drawn around the anchor where there is room


def test_tuples_are_what_they_say():
    tuples = sampler_of().tuples(1000, 2)
    anchor, positive, first, second = tuples.swapaxes(0, 1)
    assert tuples.shape == (1000, 4, 2)
    assert apart(anchor, positive).min() >= 1 and apart(anchor, positive).max() <= 5
    assert apart(anchor, first).min() >= 10 and apart(anchor, first).max() <= 25
    assert min(apart(second, other).max(1).min() for other in (anchor, first)) >= 10


def test_masks_equal_a_slow_double_loop():
    sampler = sampler_of()
    positions = sampler.tuples(15).reshape(-1, 2)
    positions = np.concatenate([positions, positions[:3], positions[:2] + (SIZE, 0), positions[:2] + (160, 3)])
    positive, negative = sampler.masks(positions)
    for i, (x, y) in enumerate(positions.tolist()):
        for j, (u, v) in enumerate(positions.tolist()):
            c = max(abs(x - u), abs(y - v))
            assert positive[i, j] == (i != j and 16 <= c <= 80)
            assert negative[i, j] == (i != j and c >= 160)


def test_the_same_place_twice_is_no_pair():
    sampler = sampler_of(distances=(0, 5, 0.01, 25))  # 0.01 tile sides are 0 pixels
    place = sampler.anchors(1)
    positive, negative = sampler.masks(np.concatenate([place, place, place + 1]))
    assert positive.tolist() == negative.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_random_reset_0_stays_near_and_1_does_not():
    walk = sampler_of(random_reset=0.0).anchors(500)
    steps = apart(walk[1:], walk[:-1])
    assert steps.max() <= 5 and steps.min() >= 1
    free = sampler_of(random_reset=1.0).anchors(500)
    assert (apart(free[1:], free[:-1]).max(1) > 5).mean() > 0.8
    half = sampler_of(random_reset=0.5).anchors(1000)
    share_near = (apart(half[1:], half[:-1]).max(1) <= 5).mean()
    assert 0.45 < share_near < 0.65


def test_the_walk_goes_on_from_step_to_step():
    sampler = sampler_of(random_reset=0.0)
    last = sampler.anchors(10)[-1]
    assert np.array_equal(sampler.last_anchor, last)
    sampler.begin_step(1, last)
    assert apart(sampler.anchors(1), last[None]).max() <= 5


def test_begin_step_makes_a_step_again_whatever_came_before():
    sampler, other = sampler_of(seed=5), sampler_of(seed=5)
    sampler.tuples(100)
    drawn = []
    for one in (sampler, other):
        one.begin_step(7, np.array([300, 900]))
        drawn.append((one.tuples(20, 2), one.clusters(3, 4), one.anchors(5)))
    assert all(np.array_equal(a, b) for a, b in zip(*drawn))
    for changed in ({"step": 8}, {"step": 7, "stream": 1}):
        sampler.begin_step(**changed)
        assert not np.array_equal(sampler.tuples(20, 2), drawn[0][0])
    assert not np.array_equal(sampler_of(seed=6).tuples(20), sampler_of(seed=5).tuples(20))


@pytest.mark.parametrize("random_reset", [0.0, 1.0])
def test_clusters(random_reset):
    sampler = sampler_of(random_reset=random_reset)
    for step in range(10):
        sampler.begin_step(step, sampler.last_anchor)
        clusters = sampler.clusters(8, 30)
        assert clusters.shape == (8, 30, 2)
        for tiles in clusters:
            assert len({tuple(tile) for tile in tiles.tolist()}) == 30
            assert (np.ptp(tiles, 0) <= 2 * 5 * SIZE).all()  # each within 5 of the centre
        # centres lie 10 apart at least along an axis: no two tiles of two clusters can have the same one
        middles = clusters.mean(1)
        distance = np.abs(middles[:, None] - middles).max(-1) / SIZE + 99 * np.eye(8)
        assert distance.min() > 6


def test_cluster_sampling_walks_from_centre_to_centre():
    sampler = sampler_of(Window(0, 0, 20_000, 20_000), random_reset=0.0)
    middles = sampler.clusters(12, 20).mean(1)
    steps = np.abs(np.diff(middles, axis=0)) / SIZE
    assert steps.max() < 25 + 2 * 5  # offsets of a negative, and the mean of the tiles around the centre
    sampler = sampler_of(Window(0, 0, 20_000, 20_000), random_reset=1.0)
    middles = sampler.clusters(12, 20).mean(1)
    assert (np.abs(np.diff(middles, axis=0)).max(1) / SIZE > 35).mean() > 0.8


def test_a_centre_without_room_is_replaced():
    """Data in crumbs of a single tile beside one wide field: a crumb has no tiles around it."""
    there = np.zeros((1408, 1408), bool)
    there[::64, :] = False
    for x in range(0, 700, 128):
        for y in range(0, 1408, 128):
            there[y : y + 17, x : x + 17] = True
    there[:, 800:] = True
    world = Map(there, Window(0, 0, 1408, 1408))
    sampler = ImageSampler(world.area(16, 0.0, spacing=6), 1, 2, 4, 8, seed=1)
    for step in range(5):
        sampler.begin_step(step)
        assert sampler.clusters(6, 40)[..., 0].min() >= 800


def test_nodata_is_in_no_drawn_tile():
    there = a_third_missing()
    for random_reset in (0.0, 1.0):
        area = Map(there, Window(100, 50, 1200, 1450)).area(16, 0.1, spacing=6)
        sampler = ImageSampler(area, 1, 5, 10, 25, random_reset)
        tiles = np.concatenate([sampler.tuples(300, 2).reshape(-1, 2), sampler.clusters(4, 30).reshape(-1, 2)])
        shares = [(~there[y : y + 16, x : x + 16]).mean() for x, y in tiles.tolist()]
        assert 0 < max(shares) <= 0.1


def test_tuples_where_few_anchors_have_room():
    """Negatives 26 tile sides away on a map of 31: only tiles near a corner have one."""
    sampler = sampler_of(Window(0, 0, 31 * SIZE, 31 * SIZE), distances=(1, 5, 26, 40))
    anchors = sampler.anchors(3000)
    assert 0 < sampler.try_negatives(anchors)[1].mean() < 0.15
    for step in range(6):
        sampler.begin_step(step)
        assert sampler.tuples(24).shape == (24, 3, 2)


def test_a_walk_on_an_island_leaves_it_where_tuples_have_no_room():
    there = np.zeros((1280, 1280), bool)
    there[:130, :130] = True  # 8 tile sides wide, farther from the rest than any negative
    there[640:, 640:] = True
    area = Map(there, Window(0, 0, 1280, 1280)).area(16, 0.0, spacing=6)
    sampler = ImageSampler(area, 1, 3, 10, 20, random_reset=0.0)
    on_island = next(p for p in area.draw(2000, np.random.default_rng(0)) if p[0] < 130)
    sampler.begin_step(0, on_island)
    assert apart(sampler.anchors(20), on_island).max() < 130 / SIZE
    sampler.begin_step(0, on_island)
    assert sampler.tuples(10)[:, 0].min() >= 640


# what is impossible


def test_distances_larger_than_the_map():
    with pytest.raises(SamplingError, match=r"'min_neg_dist' is 1,600 pixels \(100 tile sides\)"):
        sampler_of(distances=(1, 5, 100, 120))
    with pytest.raises(SamplingError, match="'min_pos_dist'"):
        sampler_of(distances=(100, 120, 1, 2))


def test_no_room_for_tuples():
    """All data lies in a field that is smaller than the least distance of a negative."""
    there = np.zeros((640, 640), bool)
    there[:100, :100] = True
    area = Map(there, Window(0, 0, 640, 640)).area(16, 0.0, spacing=6)
    with pytest.raises(SamplingError, match="fit almost nowhere"):
        ImageSampler(area, 1, 2, 10, 25).tuples(4)


def test_no_room_for_one_tile_is_told_with_its_place():
    there = np.zeros((640, 640), bool)
    there[:100, :100] = True
    sampler = ImageSampler(Map(there, Window(0, 0, 640, 640)).area(16, 0.0, spacing=6), 1, 2, 10, 25)
    anchors = sampler.anchors(3)
    with pytest.raises(SamplingError, match=f"no negative for the tile at column {anchors[0, 0]}, row {anchors[0, 1]}"):
        sampler.negatives(anchors)


def test_no_room_for_so_many_clusters_or_tiles():
    with pytest.raises(SamplingError, match="No 30 cluster centres"):
        sampler_of(Window(0, 0, 400, 400)).clusters(30, 2)
    with pytest.raises(SamplingError, match="with 50 different tiles around it"):
        sampler_of(Window(0, 0, 300, 300), distances=(0, 0.1, 2, 5)).clusters(2, 50)
