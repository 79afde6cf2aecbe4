"""Class-balanced pools over synthetic label maps, without any raster."""

import numpy as np
import pytest
from areas_for_tests import reserved_pixels, touched
from maps_for_tests import counted, patches

from dataProcessors.legends.legend import NO_LABEL, proportions
from dataProcessors.prepared.blocks import BLOCK, Summary
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling import pool as pools
from dataProcessors.sampling.area import Area, SamplingError
from dataProcessors.sampling.pool import (
    Pool,
    balance,
    check_classes,
    load_or_create_pool,
    pool_path,
    score_pool,
    training_pool,
)
from storage import StorageError

SIZE = 32


class LabelMap:
    """Class indices (h, w) as an area, a summary, and proportions of tiles."""

    def __init__(self, classes, number, spacing=6):
        height, width = classes.shape
        self.classes, self.number, self.read = classes, number, 0
        self.window = Window(0, 0, width, height)
        self.area = Area(self.window, SIZE, spacing)
        counts = np.stack([counted(classes == c) for c in range(number)]).astype(np.uint16)
        self.summary = Summary(self.window, counts)

    def shares(self, positions):
        self.read += len(positions)
        tiles = [self.classes[y : y + SIZE, x : x + SIZE] for x, y in positions.tolist()]
        return proportions(np.array(tiles, np.uint8).reshape(len(tiles), 1, SIZE, SIZE), self.number)

    def training(self, size, seed=0):
        return training_pool(self.area, self.summary, self.shares, size, np.random.default_rng(seed))

    def score(self, size, seed=0):
        return score_pool(self.area, self.summary, self.shares, size, np.random.default_rng(seed))


def quarters(values=(0, 1, 2, 3), side=96, height=2048, width=2048, weights=(90, 6, 3, 1)):
    return patches(height, width, np.repeat(np.array(values, np.uint8), weights), side)


def free_place(area):
    """A place of the training area, a tile's side from the nearest reserved cell along both axes."""
    return area.reserved_cells()[3] + 3 * SIZE


def assert_whole(pool, world):
    """No place twice, every tile labelled, and the proportions those of its pixels."""
    assert len(np.unique(pool.positions, axis=0)) == len(pool)
    assert (pool.labels >= 0).all() and np.allclose(pool.proportions.sum(1), 1, atol=1e-5)
    assert np.array_equal(pool.proportions, world.shares(pool.positions))


def test_a_training_pool_is_class_balanced_and_in_the_training_area():
    world = LabelMap(quarters(), 4)
    pool = world.training(400)
    assert_whole(pool, world)
    assert np.bincount(pool.labels).tolist() == [100] * 4
    assert not touched(pool.positions, SIZE, world.window, reserved_pixels(world.area, 6)).any()
    assert np.abs(np.diff(pool.labels)).sum() / 100 > 2  # in random order, not class after class


def test_a_class_on_a_ten_thousandth_of_the_map_is_found():
    classes = quarters((0, 1), weights=(60, 40), height=4096, width=4096)
    area = LabelMap(classes, 2).area
    x, y = free_place(area)
    classes[y : y + 41, x : x + 41] = 2
    assert (classes == 2).mean() < 0.000101
    world = LabelMap(classes, 3)
    pool = world.training(300)
    assert_whole(pool, world)
    counts = np.bincount(pool.labels, minlength=3)
    assert counts.sum() == 300 and counts[2] >= 80
    assert world.read < 20_000  # by looking where it is, not everywhere


def test_an_exhausted_class_leaves_its_part_to_the_others():
    """Of the third class there is one pixel, among others, so no tile; a third of the map is labelled."""
    classes = quarters((0, 1, NO_LABEL), weights=(3, 3, 14))
    x, y = free_place(LabelMap(classes, 3).area)
    classes[y - 40 : y + 40, x - 40 : x + 40] = 0
    classes[y, x] = 2
    world = LabelMap(classes, 3)
    pool = world.training(600)
    assert_whole(pool, world)
    assert np.bincount(pool.labels, minlength=3).tolist() == [300, 300, 0]


def test_a_rare_class_gives_all_it_has():
    """A single labelled pixel of a second class in a field of no labels: a few hundred tiles see it."""
    classes = quarters((0, 1, NO_LABEL), weights=(3, 3, 14))
    x, y = free_place(LabelMap(classes, 3).area)
    classes[y - 40 : y + 40, x - 40 : x + 40] = NO_LABEL
    classes[y, x] = 2
    world = LabelMap(classes, 3)
    pool = world.training(4000)
    assert_whole(pool, world)
    counts = np.bincount(pool.labels, minlength=3)
    assert 0.5 * SIZE**2 < counts[2] <= SIZE**2
    assert counts.sum() == 4000 and abs(counts[0] - counts[1]) <= 0.2 * counts[0]


def test_tiles_of_a_rare_class_lie_around_its_blocks_not_behind_their_corners():
    """The single pixel is the first of a block: 16 x 16 tiles that see it have their middle there, 1 its corner."""
    classes = quarters((0, 1, NO_LABEL), weights=(3, 3, 14))
    area, before = LabelMap(classes, 3).area, -np.indices((SIZE, SIZE)).reshape(2, -1).T
    x, y = next(
        (x, y) for y in range(BLOCK, 1920, BLOCK) for x in range(BLOCK, 1920, BLOCK) if area.fits((x, y) + before).all()
    )
    classes[y - 40 : y + 40, x - 40 : x + 40] = NO_LABEL
    classes[y, x] = 2
    pool = LabelMap(classes, 3).training(1000)
    assert 0.8 * 16**2 < (pool.labels == 2).sum() <= SIZE**2


def test_a_map_that_holds_fewer_tiles_gives_fewer():
    classes = np.full((640, 640), NO_LABEL, np.uint8)
    x, y = free_place(LabelMap(classes, 1).area)
    classes[y, x] = 0
    world = LabelMap(classes, 1)
    pool = world.training(1500)
    assert_whole(pool, world)
    assert 0 < len(pool) <= SIZE**2


def test_unlabelled_tiles_never_get_into_a_pool():
    world = LabelMap(quarters((0, NO_LABEL), weights=(1, 4)), 1)
    for pool in (world.training(300), world.score(300)):
        assert_whole(pool, world)
        assert len(pool) > 20
    nothing = LabelMap(np.full((640, 640), NO_LABEL, np.uint8), 2)
    for pool in (nothing.training(50), nothing.score(50)):
        assert len(pool) == 0 and pool.proportions.shape == (0, 2)
        with pytest.raises(SamplingError, match="The pool needs tiles of at least 1 classes; 0 are found"):
            check_classes(pool, 1, "The pool")


def test_scored_tiles_come_from_reserved_cells_only():
    world = LabelMap(quarters(), 4)
    pool = world.score(120)
    assert_whole(pool, world)
    reserved = reserved_pixels(world.area, 6)
    assert not touched(pool.positions, SIZE, world.window, ~reserved).any()
    drawn = np.zeros((2048, 2048), int)
    for x, y in pool.positions:
        drawn[y : y + SIZE, x : x + SIZE] += 1
    assert drawn.max() == 1
    of_all = np.bincount(world.score(10**6).labels, minlength=4)
    counts = np.bincount(pool.labels, minlength=4)
    assert counts.sum() == 120
    assert ((counts >= counts.max() - 1) | (counts == of_all)).all()  # as often as the others, or all there are


def test_on_a_large_map_only_promising_tiles_are_read(monkeypatch):
    monkeypatch.setattr(pools, "MAX_CANDIDATES", 60)
    monkeypatch.setattr(pools, "MAX_PER_CLASS", 10)
    classes = np.zeros((4096, 4096), np.uint8)
    x, y = LabelMap(classes, 1).area.scored_tiles()[333]
    classes[y : y + SIZE, x : x + SIZE] = 1
    world = LabelMap(classes, 2)
    assert len(world.area.scored_tiles()) > 1000
    pool = world.score(50)
    assert world.read <= 60 + 2 * 10
    assert 1 in pool.labels
    assert len(pool) == 50


def test_a_promising_tile_has_its_middle_in_a_block_with_the_class(monkeypatch):
    monkeypatch.setattr(pools, "MAX_CANDIDATES", 10)
    monkeypatch.setattr(pools, "MAX_PER_CLASS", 10)
    classes = np.zeros((2048, 2048), np.uint8)
    tiles = LabelMap(classes, 1, spacing=5).area.scored_tiles()
    x, y = next(tile for tile in tiles if tile[0] % BLOCK == BLOCK - SIZE // 2)
    classes[y : y + SIZE, x : x + SIZE // 2] = NO_LABEL
    classes[y : y + SIZE, x + SIZE // 2 : x + SIZE] = 1  # in the block of its middle, not in that of its corner
    pool = LabelMap(classes, 2, spacing=5).score(30)
    assert pool.positions[pool.labels == 1].tolist() == [[x, y]]


def test_of_equally_promising_tiles_those_of_the_whole_map_are_read(monkeypatch):
    monkeypatch.setattr(pools, "MAX_CANDIDATES", 4)
    monkeypatch.setattr(pools, "MAX_PER_CLASS", 60)
    pool = LabelMap(np.zeros((2048, 2048), np.uint8), 1).score(64)
    assert np.all(np.abs(np.median(pool.positions, 0) - 1024) < 400)


def test_equal_seeds_give_equal_pools():
    world = LabelMap(quarters(), 4)
    for draw in (world.training, world.score):
        first, again, other = draw(100, 1), draw(100, 1), draw(100, 2)
        assert np.array_equal(first.positions, again.positions)
        assert not np.array_equal(first.positions, other.positions)


def test_balanced_takes_every_class_as_often_as_it_can():
    labels = np.repeat([0, 1, 2], [50, 3, 20])
    pool = Pool(np.stack([np.arange(73), np.arange(73)], 1), np.eye(3, dtype=np.float32)[labels])
    rng = np.random.default_rng(0)
    assert np.bincount(balance(pool, 31, rng).labels).tolist() == [14, 3, 14]
    assert np.bincount(balance(pool, 60, rng).labels).tolist() == [37, 3, 20]
    assert len(balance(pool, 1000, rng)) == 73 and len(balance(pool, 0, rng)) == 0


def test_of_a_map_without_classes_every_tile_is_taken():
    world = LabelMap(quarters(), 4)
    counts = Summary(world.window, np.zeros((0, *world.summary.counts.shape[1:]), np.uint16))
    for draw, size in ((training_pool, 300), (score_pool, 40)):
        pool = draw(world.area, counts, lambda p: np.zeros((len(p), 0), np.float32), size, np.random.default_rng(0))
        assert len(np.unique(pool.positions, axis=0)) == len(pool) >= 0.9 * size
        assert pool.proportions.shape == (len(pool), 0) and (pool.labels == -1).all()
        assert not (np.diff(pool.positions[:, 1]) > 0).all(), "in random order"


def test_balanced_is_in_random_order():
    """A draw of the first tiles of a pool must not hold all of its rare ones."""
    labels = np.repeat([0, 1], [100, 10])
    pool = Pool(np.stack([np.arange(110)] * 2, 1), np.eye(2, dtype=np.float32)[labels])
    places = [np.flatnonzero(balance(pool, 110, np.random.default_rng(seed)).labels == 1) for seed in range(40)]
    assert 49 < np.mean(places) < 60  # 54.5 if in random order


def test_a_pool_is_saved_and_used_again(tmp_path):
    world = LabelMap(quarters(), 4)
    path = pool_path(tmp_path, "fit", seed=1, size=SIZE)
    made = load_or_create_pool(path, lambda: world.training(100))
    content, modified = path.read_bytes(), path.stat().st_mtime_ns
    again = load_or_create_pool(path, lambda: pytest.fail("it is there already"))
    assert np.array_equal(made.positions, again.positions) and np.array_equal(made.proportions, again.proportions)
    assert again.positions.dtype == np.int64 and again.proportions.dtype == np.float32
    assert path.read_bytes() == content and path.stat().st_mtime_ns == modified
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_pools_that_differ_in_anything_lie_apart(tmp_path):
    ways = [{"seed": 1}, {"seed": 2}, {"seed": 1, "window": [0, 0]}, {}]
    assert len({pool_path(tmp_path, role, **way) for way in ways for role in ("fit", "score")}) == 8
    assert len(load_or_create_pool(None, lambda: LabelMap(quarters(), 4).training(20))) == 20
    assert list(tmp_path.iterdir()) == []


def test_a_broken_off_save_leaves_no_pool(tmp_path, monkeypatch):
    def broken_off(file, **arrays):
        raise OSError("no space")

    monkeypatch.setattr(np, "savez", broken_off)
    path = tmp_path / "pools" / "fit.npz"
    with pytest.raises(StorageError, match=r"fit\.npz: cannot be written: no space"):
        load_or_create_pool(path, lambda: Pool(np.zeros((1, 2), np.int64), np.ones((1, 1), np.float32)))
    assert not path.exists()
