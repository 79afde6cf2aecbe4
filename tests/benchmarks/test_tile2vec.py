"""The reference Tile2Vec recipe."""

import itertools

import numpy as np
import pytest
import torch
from runs_for_tests import MAPS

from benchmarks import tile2vec
from benchmarks.map_configs import read_yardsticks
from benchmarks.tile2vec import (
    MARGIN,
    TRIPLETS,
    TileNet,
    open_scored,
    prepare,
    score,
    train,
    triplet_loss,
    triplets,
    unit_range,
)  # fmt: skip
from config import validate
from networks import Normalise

SIZE = 16


@pytest.fixture
def config(workplace):
    keys = {"network": "test_resnet", "loss": "tripletloss", "validation_map": "fields", "maps": MAPS, "threads": 1}
    keys |= {"image_size": SIZE, "validation_nb": 100, "valIteration": 2, "device": "cpu", "precision": "fp32"}
    return validate(keys | {"channels_last": False})


@pytest.fixture
def maps(config):
    return open_scored(config)[0]


def test_the_loss_is_that_of_a_slow_loop():
    rng = np.random.default_rng(0)
    anchors, neighbours, distant = rng.normal(0, [[1], [1], [1], [4]], (3, 4, 8))
    terms = []
    for a, n, d in zip(anchors, neighbours, distant):
        hinge = max(0, np.sqrt(((a - n) ** 2).sum()) - np.sqrt(((a - d) ** 2).sum()) + MARGIN)
        terms.append(hinge + 0.01 * sum(np.sqrt((each**2).sum()) for each in (a, n, d)))
    loss = triplet_loss(*(torch.from_numpy(role) for role in (anchors, neighbours, distant)))
    assert float(loss) == pytest.approx(np.mean(terms))


def test_equal_embeddings_have_a_finite_gradient():
    same = torch.ones(2, 8, requires_grad=True)
    triplet_loss(same, same, same).backward()
    assert same.grad.isfinite().all()


@pytest.mark.parametrize("size", [16, 17, 50])
def test_the_network_is_the_papers(size):
    network = TileNet(Normalise([0] * 6, [1 / 255] * 6))
    with torch.no_grad():
        assert network(torch.zeros(2, 6, size, size, dtype=torch.uint8)).shape == (2, 512)
    kernels = [each.kernel_size for each in network.modules() if isinstance(each, torch.nn.Conv2d)]
    assert kernels.count((3, 3)) == 21  # the stem, and two in each of ten blocks
    assert network.stem[0].stride == (1, 1)


def test_neighbours_overlap_and_distant_tiles_do_not(config, maps):
    for positions in itertools.islice(triplets(maps, config), 3):
        apart = np.abs(positions[:, 1:] - positions[:, :1]).max(2)  # (TRIPLETS, 2)
        assert len(positions) == TRIPLETS
        assert (apart[:, 0] <= SIZE).all()
        assert (apart[:, 1] >= SIZE).all()
        assert maps.area.fits(positions.reshape(-1, 2)).all()


def test_values_become_0_to_1(maps):
    tiles = torch.from_numpy(maps.read(maps.area.draw(50, np.random.default_rng(0))))
    values = unit_range(maps, SIZE)(tiles)
    assert ((values > 0) & (values < 1)).float().mean() > 0.95


def test_a_step_of_training_is_scored_in_each_draw(config, maps, tmp_path, monkeypatch):
    """Of a network that is an eighth as wide."""
    monkeypatch.setattr(tile2vec, "WIDTHS", tuple(width // 8 for width in tile2vec.WIDTHS))
    forward = prepare(config, maps)
    before = forward.network.stem[0].weight.detach().clone()
    assert train(forward, minutes=0) == 1
    assert not torch.equal(before, forward.network.stem[0].weight)
    evaluator = open_scored(config)[1]
    whole = evaluator.evaluate(evaluator.embed("tile2vec", forward.embed_positions))
    for _ in range(2):  # the second file in place of the first
        path = score(config, 0, tmp_path / "new")
    assert path.name == "tile2vec, 0 minutes.csv"
    (found,) = read_yardsticks(tmp_path / "new").values()
    assert set(map(len, found.values())) == {2}
    for each in whole.scores:
        assert np.mean(found[each.tag]) == pytest.approx(each.mean, abs=1e-5, nan_ok=True)
