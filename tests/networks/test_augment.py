"""Augmentation: the eight symmetries of a tile."""

import numpy as np
import pytest
import torch
from embedders_for_tests import raw_tiles, rng

from networks import random_dihedral
from networks.augment import dihedral


def slow_symmetries(tile):
    """The eight images (C, S, S) of a tile, each pixel placed by its coordinates."""
    last = tile.shape[-1] - 1
    places = [
        lambda y, x: (y, x), lambda y, x: (x, last - y), lambda y, x: (last - y, last - x), lambda y, x: (last - x, y),
        lambda y, x: (y, last - x), lambda y, x: (last - y, x), lambda y, x: (x, y), lambda y, x: (last - x, last - y),
    ]  # fmt: skip
    images = [np.empty_like(tile) for _ in places]
    for image, place in zip(images, places):
        for y, x in np.ndindex(tile.shape[1:]):
            image[:, y, x] = tile[(slice(None), *place(y, x))]
    return images


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_each_tile_takes_one_of_the_eight_symmetries_all_as_likely(dtype):
    number = 4000
    tile = rng().permutation(2 * 5 * 5).reshape(2, 5, 5).astype(dtype)
    turned = random_dihedral(torch.from_numpy(tile).expand(number, -1, -1, -1), rng(3))
    assert turned.dtype == torch.from_numpy(tile).dtype
    found = turned.numpy()
    counts = [sum((found == image).all((1, 2, 3))) for image in slow_symmetries(tile)]
    assert sum(counts) == number
    assert np.array(counts) / number == pytest.approx([1 / 8] * 8, abs=0.025)  # about 5 standard deviations


def test_the_eight_ways_differ_and_every_tile_keeps_its_place():
    tiles = raw_tiles(50, 3, 4)
    assert len({dihedral(tiles[0], way).numpy().tobytes() for way in range(8)}) == 8
    for tile, turned in zip(tiles.numpy(), random_dihedral(tiles, rng()).numpy()):
        assert any((turned == image).all() for image in slow_symmetries(tile))


def test_augmentation_depends_on_the_generator_alone():
    tiles = raw_tiles(30, 3, 4)
    before = tiles.clone()
    assert torch.equal(random_dihedral(tiles, rng(1)), random_dihedral(tiles, rng(1)))
    assert not torch.equal(random_dihedral(tiles, rng(1)), random_dihedral(tiles, rng(2)))
    assert torch.equal(tiles, before)
    assert random_dihedral(tiles[:0], rng()).shape == (0, 3, 4, 4)


def test_augmentation_refuses_oblong_tiles():
    with pytest.raises(ValueError, match=r"square tiles \(N, C, S, S\). Got \(2, 3, 4, 5\)"):
        random_dihedral(torch.zeros(2, 3, 4, 5), rng())
