"""Random convolutional features, against a slow loop, with and without pixels that hold no data."""

import numpy as np
import pytest
import torch

from networks import RandomConvolutions

GENERATOR = np.random.default_rng(0)


def slow_features(module, pixels, has_data):
    """Features of one tile: a loop over filters and pixels. pixels: (C, H, W); has_data: (H, W)."""
    offset, scale = (values.double().numpy() for values in (module.normalisation.offset, module.normalisation.scale))
    pixels = np.where(has_data, (pixels.astype(float) - offset) * scale, 0)
    above, below = [], []
    for weight in module.weight.double().numpy():
        responses = [
            (weight * pixels[:, y - 1 : y + 2, x - 1 : x + 2]).sum()
            for y in range(1, pixels.shape[1] - 1)
            for x in range(1, pixels.shape[2] - 1)
            if has_data[y, x]
        ]
        above.append(np.mean([max(x - 1, 0) for x in responses]) if responses else 0)
        below.append(np.mean([max(-x - 1, 0) for x in responses]) if responses else 0)
    return np.array(above + below)


@pytest.mark.parametrize("bands", [1, 3, 64])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_a_slow_loop(bands, dtype):
    tiles = GENERATOR.integers(0, 200, (3, bands, 7, 6)).astype(dtype)
    module = RandomConvolutions([100.0] * bands, [0.02] * bands, filters=70)
    found = module(torch.from_numpy(tiles))
    assert found.shape == (3, module.num_features) == (3, 140) and found.dtype == torch.float32
    for tile, row in zip(tiles, found):
        np.testing.assert_allclose(row, slow_features(module, tile, np.ones((7, 6), bool)), atol=1e-4)


@pytest.mark.parametrize("way", ["channel", "argument", "nan"])
def test_pixels_without_data(way):
    has_data = GENERATOR.random((4, 8, 8)) > 0.3
    has_data[2], has_data[3] = False, True
    has_data[3, 0] = False  # only where no filter has its middle
    pixels = GENERATOR.normal(50, 20, (4, 2, 8, 8)).astype(np.float32)
    module = RandomConvolutions([50.0, 40.0], [0.05, 0.1], filters=20)
    tiles = torch.from_numpy(pixels)
    valid = torch.from_numpy(has_data)
    if way == "channel":
        found = module(torch.cat([tiles, valid[:, None].float()], 1))
    elif way == "argument":
        found = module(tiles, valid)
    else:
        found = module(torch.where(valid[:, None], tiles, torch.nan))
    assert not found[2].any()
    for row, tile, mask in zip(found, pixels, has_data):
        np.testing.assert_allclose(row, slow_features(module, tile, mask), atol=1e-4)


def test_the_number_of_tiles_at_once_does_not_matter(monkeypatch):
    tiles = torch.from_numpy(GENERATOR.integers(0, 255, (9, 3, 16, 16)).astype(np.uint8))
    module = RandomConvolutions([127.0] * 3, [0.02] * 3)
    whole = module(tiles)
    assert whole.shape == (9, 1024)
    torch.testing.assert_close(torch.cat([module(each[None]) for each in tiles]), whole)
    monkeypatch.setattr("networks.random_convolutions.MAX_RESPONSES", {"cpu": 1})
    torch.testing.assert_close(module(tiles), whole)
    last = tiles.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(module(last), whole)


def test_the_filters_depend_on_the_seed_alone():
    torch.manual_seed(3)
    one, two = (RandomConvolutions([0.0] * 4, [1.0] * 4) for _ in range(2))
    assert torch.equal(one.weight, two.weight) and one.weight.shape == (512, 4, 3, 3)
    assert not torch.equal(RandomConvolutions([0.0] * 4, [1.0] * 4, seed=1).weight, one.weight)
    assert not list(one.parameters()), "nothing is trained"


def test_half_precision_around_it_changes_nothing():
    tiles = torch.from_numpy(GENERATOR.normal(size=(2, 3, 9, 9)).astype(np.float32))
    module = RandomConvolutions([0.0] * 3, [1.0] * 3)
    with torch.autocast("cpu", torch.bfloat16):
        found = module(tiles)
    torch.testing.assert_close(found, module(tiles), rtol=0, atol=0)


def test_no_tile():
    assert RandomConvolutions([0.0], [1.0])(torch.zeros(0, 1, 8, 8)).shape == (0, 1024)
