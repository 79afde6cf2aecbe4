"""Tiles by label: what is drawn for what, from a pool whose labels are known."""

import numpy as np
import pytest

from dataProcessors.sampling.area import SamplingError
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.supervised_sampler import SupervisedSampler


def pool_of(counts, seed=0):
    """A pool with so many tiles of each class, in random order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    places = rng.permutation(400 * 300)[: len(labels)]
    proportions = rng.random((len(labels), len(counts))).astype(np.float32)
    proportions[np.arange(len(labels)), labels] += 2
    return Pool(np.stack([places % 400, places // 400], 1) * 7, proportions / proportions.sum(1, keepdims=True))


def sampler_of(counts=(40, 7, 90, 1), random_reset=1.0, seed=0):
    pool = pool_of(counts)
    sampler = SupervisedSampler(pool, random_reset, seed)
    sampler.begin_step(0)
    label = {tuple(p): int(c) for p, c in zip(pool.positions.tolist(), pool.labels)}
    return sampler, lambda positions: np.array([label[tuple(p)] for p in positions.tolist()])


def test_labels_are_those_of_the_pool():
    sampler, label = sampler_of()
    positions = sampler.random_positions(300)
    assert np.array_equal(sampler.label_of(positions), label(positions))
    with pytest.raises(SamplingError, match="training pool only"):
        sampler.label_of(np.array([[3, 3]]))


def test_positives_have_the_anchors_label_and_are_another_tile():
    sampler, label = sampler_of()
    anchors = sampler.random_positions(6000)
    positives, found = sampler.try_positives(anchors)
    single = label(anchors) == 3  # the class of one tile
    assert single.any() and np.array_equal(found, ~single)
    assert np.array_equal(label(positives), label(anchors))
    assert (positives != anchors).any(1)[found].all()
    of_seven = {tuple(p) for p in positives[label(anchors) == 1].tolist()}
    assert len(of_seven) == 7
    with pytest.raises(SamplingError, match="no positive for the tile"):
        sampler.positives(anchors)


def test_every_other_tile_of_the_class_has_the_same_chance():
    sampler, _ = sampler_of((5, 5))
    anchor = sampler.random_positions(1)
    positives = sampler.positives(np.repeat(anchor, 8000, 0))
    counts = np.unique(positives, axis=0, return_counts=True)[1]
    assert len(counts) == 4 and np.allclose(counts, 2000, atol=200)


def test_negatives_have_another_label_in_proportion_to_the_tiles():
    sampler, label = sampler_of()
    anchors = sampler.random_positions(8000)
    negatives = sampler.negatives(anchors)
    assert (label(negatives) != label(anchors)).all()
    of_first = label(negatives)[label(anchors) == 0]
    assert np.allclose(np.bincount(of_first, minlength=4) / len(of_first), np.array([0, 7, 90, 1]) / 98, atol=0.03)


def test_a_second_negative_has_a_third_label():
    sampler, label = sampler_of()
    anchors = sampler.random_positions(3000)
    negatives = sampler.negatives(anchors)
    second, found = sampler.try_negatives(anchors, negatives)
    assert found.all()
    assert (label(second) != label(anchors)).all() and (label(second) != label(negatives)).all()
    two, label = sampler_of((9, 9))
    anchors = two.random_positions(50)
    assert not two.try_negatives(anchors, two.negatives(anchors))[1].any()


def test_tuples_leave_out_what_has_no_positive():
    sampler, label = sampler_of()
    for step in range(5):
        sampler.begin_step(step)
        labels = label(sampler.tuples(200, 2).reshape(-1, 2)).reshape(-1, 4)
        assert (labels[:, 0] == labels[:, 1]).all() and (labels[:, 0] != 3).all()
        assert all(len(set(row[1:])) == 3 for row in labels.tolist())
    with pytest.raises(SamplingError, match="fit almost nowhere"):
        sampler_of((9, 9))[0].tuples(3, 2)


def test_masks_equal_a_slow_double_loop():
    sampler, label = sampler_of()
    positions = sampler.random_positions(60)
    positions = np.concatenate([positions, positions[:5]])  # the same tile twice is no pair
    positive, negative = sampler.masks(positions)
    labels = label(positions)
    for i in range(65):
        for j in range(65):
            same_tile = (positions[i] == positions[j]).all()
            assert positive[i, j] == (labels[i] == labels[j] and not same_tile)
            assert negative[i, j] == (labels[i] != labels[j])


def test_clusters_are_of_one_label_with_different_tiles():
    sampler, label = sampler_of()
    clusters = sampler.clusters(3, 7)
    assert clusters.shape == (3, 7, 2)
    labels = [set(label(tiles).tolist()) for tiles in clusters]
    assert all(len(of_one) == 1 for of_one in labels) and set.union(*labels) == {0, 1, 2}
    assert all(len({tuple(t) for t in tiles}) == 7 for tiles in clusters.tolist())
    of_few = [set(label(tiles).tolist()) for tiles in sampler.clusters(5, 30)]
    assert set.union(*of_few) == {0, 2}  # only these have as many tiles
    with pytest.raises(SamplingError, match="No class has 91 tiles"):
        sampler.clusters(2, 91)


def test_random_reset_0_stays_with_one_label():
    sampler, label = sampler_of((40, 7, 90), random_reset=0.0)
    assert len(set(label(sampler.anchors(100)).tolist())) == 1
    free, label = sampler_of((40, 7, 90))
    assert len(set(label(free.anchors(100)).tolist())) == 3


def test_begin_step_makes_a_step_again():
    first, again = sampler_of()[0], sampler_of()[0]
    first.tuples(50)
    for one in (first, again):
        one.begin_step(3)
    assert np.array_equal(first.tuples(30), again.tuples(30))
    assert not np.array_equal(sampler_of(seed=1)[0].tuples(30), sampler_of(seed=2)[0].tuples(30))


@pytest.mark.parametrize("counts", [(5,), (0, 4)])
def test_one_class_is_too_few(counts):
    with pytest.raises(SamplingError, match="at least two classes"):
        SupervisedSampler(pool_of(counts))
