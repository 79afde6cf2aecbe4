"""The index of clusters that makes the batches of the supervised magnet loss."""

import numpy as np
import pytest

from mining import ClusterIndex

CLASS_SIZES = {3: 60, 0: 40, 7: 25}  # class -> tiles


def rng(seed=0):
    return np.random.default_rng(seed)


def tiles_of(sizes, seed=0):
    labels = rng(seed).permutation(np.repeat(list(sizes), list(sizes.values())))
    return rng(seed + 1).normal(size=(len(labels), 5)).astype(np.float32), labels


def index_of(sizes, centres, classes):
    """An index by hand: clusters of the given sizes, classes and places on a line."""
    assignment = np.repeat(np.arange(len(sizes)), sizes)
    return ClusterIndex(assignment, np.array(centres, float)[:, None], np.array(classes), np.ones(len(sizes)))


def test_clusters_lie_within_a_class_around_their_mean():
    embeddings, labels = tiles_of(CLASS_SIZES)
    index = ClusterIndex.build(embeddings, labels, 3, rng())
    assert index.classes.tolist() == [0, 0, 0, 3, 3, 3, 7, 7, 7]
    assert (index.classes[index.assignment] == labels).all()
    assert index.losses.tolist() == [1.0] * 9
    for m in range(9):
        assert np.allclose(index.centres[m], embeddings[index.assignment == m].mean(0), atol=1e-5)


def test_kmeans_finds_the_clusters_of_a_class():
    blobs = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], 20, axis=0) + rng().normal(size=(60, 2)) / 10
    index = ClusterIndex.build(blobs, np.zeros(60, int), 3, rng())
    assert all(len(set(index.assignment[i : i + 20])) == 1 for i in (0, 20, 40))
    assert len(set(index.assignment)) == 3


def test_a_class_has_at_most_as_many_clusters_as_distinct_tiles():
    embeddings = np.array([[0.0], [0.0], [0.0], [1.0], [2.0], [2.0], [5.0]])
    index = ClusterIndex.build(embeddings, np.array([0, 0, 0, 1, 1, 1, 2]), 3, rng())
    assert index.classes.tolist() == [0, 1, 1, 2]
    assert np.bincount(index.assignment).tolist().count(0) == 0
    assert sorted(index.centres[1:3, 0].tolist()) == [1.0, 2.0]


def test_equal_seeds_give_equal_indices_and_draws():
    embeddings, labels = tiles_of(CLASS_SIZES)
    one, two = (ClusterIndex.build(embeddings, labels, 3, rng(5)) for _ in range(2))
    assert (one.assignment == two.assignment).all()
    for a, b in zip(one.draw(4, 6, rng(9)), two.draw(4, 6, rng(9))):
        assert (a == b).all()
    assert one.draw(4, 6, rng(9)).tiles.tolist() != one.draw(4, 6, rng(10)).tiles.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_a_draw_equals_the_slow_description(seed):
    embeddings, labels = tiles_of(CLASS_SIZES)
    index = ClusterIndex.build(embeddings, labels, 3, rng())
    batch = index.draw(4, 6, rng(seed))
    first = batch.cluster_ids[0]
    others = [m for m in range(9) if index.classes[m] != index.classes[first]]
    nearest = sorted(others, key=lambda m: sum((index.centres[m] - index.centres[first]) ** 2))
    assert batch.cluster_ids[1:].tolist() == nearest[:3]
    assert (batch.cluster_classes == index.classes[batch.cluster_ids]).all()
    assert (index.assignment[batch.tiles] == batch.cluster_ids[batch.clusters]).all()
    assert len(set(batch.tiles)) == len(batch.tiles)
    sizes = [min(6, (index.assignment == m).sum()) for m in batch.cluster_ids]
    assert np.bincount(batch.clusters).tolist() == sizes


def test_the_seed_cluster_is_drawn_in_proportion_to_its_loss():
    index = index_of([5, 5, 5, 5], [0, 1, 2, 3], [0, 1, 2, 3])
    index.losses[:] = [0.0, 1.0, 3.0, 0.0]
    generator = rng()
    seeds = np.bincount([index.draw(2, 2, generator).cluster_ids[0] for _ in range(2000)], minlength=4) / 2000
    assert seeds == pytest.approx([0, 0.25, 0.75, 0], abs=0.05)
    index.losses[:] = 0
    seeds = np.bincount([index.draw(2, 2, generator).cluster_ids[0] for _ in range(2000)], minlength=4) / 2000
    assert seeds == pytest.approx([0.25] * 4, abs=0.05)


def test_each_tile_of_a_cluster_is_as_likely():
    index = index_of([6, 4], [0, 1], [0, 1])
    generator = rng()
    counts = np.bincount(np.concatenate([index.draw(2, 3, generator).tiles for _ in range(1000)]), minlength=10)
    assert counts / 1000 == pytest.approx([3 / 6] * 6 + [3 / 4] * 4, abs=0.06)


def test_clusters_of_one_tile_come_last():
    index = index_of([1, 5, 1, 5, 5], [0.0, 0.1, 0.2, 9.0, 8.0], [0, 1, 2, 3, 1])
    index.losses[:] = [100, 1, 100, 1, 1]
    generator = rng()
    for _ in range(50):
        assert not {0, 2} & set(index.draw(2, 3, generator).cluster_ids)
    batch = index.draw(5, 3, generator)
    assert {0, 2} == set(batch.cluster_ids[-2:])  # no others are left
    lonely = index_of([1, 1, 1], [0, 1, 2], [0, 1, 2]).draw(3, 4, rng())
    assert sorted(lonely.cluster_ids) == sorted(lonely.tiles) == [0, 1, 2]


def test_losses_of_clusters_of_one_tile_only_still_weigh():
    index = index_of([1, 1, 1], [0, 1, 2], [0, 1, 2])
    index.losses[:] = [0, 0, 2]
    assert {index.draw(2, 1, rng(seed)).cluster_ids[0] for seed in range(20)} == {2}
    index.losses[:] = 0
    assert {index.draw(2, 1, rng(seed)).cluster_ids[0] for seed in range(20)} == {0, 1, 2}


def test_when_all_losses_are_zero_clusters_of_one_tile_still_come_last():
    index = index_of([1, 5, 5], [0, 1, 2], [0, 1, 2])
    index.losses[:] = 0
    assert {index.draw(2, 1, rng(seed)).cluster_ids[0] for seed in range(20)} == {1, 2}


def test_one_class_alone_gives_the_seed_cluster_alone():
    embeddings, labels = tiles_of({4: 30})
    batch = ClusterIndex.build(embeddings, labels, 3, rng()).draw(12, 5, rng())
    assert len(batch.cluster_ids) == 1
    assert batch.cluster_classes.tolist() == [4]
    assert batch.clusters.tolist() == [0] * len(batch.tiles)


def test_update_moves_the_running_mean_of_the_clusters_seen():
    index = index_of([5, 5, 5], [0, 1, 2], [0, 1, 2])
    index.update(np.array([2, 0, 2, 2]), np.array([1.0, 0.0, 4.0, 4.0]))
    assert index.losses.tolist() == pytest.approx([0.8, 1.0, 1.4])  # a fifth of the way to 0, unseen, to 3
    for _ in range(100):
        index.update(np.array([1]), np.array([6.0]))
    assert index.losses.tolist() == pytest.approx([0.8, 6.0, 1.4])
    index.update(np.array([], int), np.array([]))
    assert index.losses.tolist() == pytest.approx([0.8, 6.0, 1.4])


def test_what_is_refused():
    embeddings, labels = tiles_of(CLASS_SIZES)
    with pytest.raises(ValueError, match=r"labels \(P,\) of at least one tile"):
        ClusterIndex.build(embeddings[:0], labels[:0], 3, rng())
    with pytest.raises(ValueError, match=r"Got \(125, 5\) and \(124,\)"):
        ClusterIndex.build(embeddings, labels[1:], 3, rng())
    with pytest.raises(ValueError, match="'clusters_per_class'"):
        ClusterIndex.build(embeddings, labels, 0, rng())
    with pytest.raises(ValueError, match="not finite"):
        ClusterIndex.build(np.where(embeddings > 2, np.nan, embeddings), labels, 3, rng())
    index = ClusterIndex.build(embeddings, labels, 3, rng())
    with pytest.raises(ValueError, match=r"must be >= 1. Got 4 and 0"):
        index.draw(4, 0, rng())
    for wrong in (np.nan, np.inf, -1.0):
        with pytest.raises(ValueError, match="finite and >= 0"):
            index.update(np.array([0]), np.array([wrong]))
