"""Normalisation of tiles, and which of their pixels have no data."""

import numpy as np
import pytest
import torch
from embedders_for_tests import colours, raw_tiles, rng

from networks import Normalise


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_normalise_equals_a_slow_loop(dtype):
    tiles = raw_tiles(2, 3, 4, dtype)
    offset, scale = [10.0, 20.0, 30.0], [0.5, 0.25, 0.125]
    before = tiles.clone()
    found = Normalise(offset, scale)(tiles)
    assert found.dtype == torch.float32
    assert torch.equal(tiles, before)
    for n, c, y, x in np.ndindex(2, 3, 4, 4):
        assert found[n, c, y, x].item() == (float(tiles[n, c, y, x]) - offset[c]) * scale[c]


def test_large_uint16_values_are_kept():
    tiles = torch.from_numpy(np.full((1, 1, 2, 2), 65535, np.uint16))
    assert Normalise([0.0], [1.0])(tiles).unique().tolist() == [65535.0]


def test_uint8_colours_span_minus_one_to_one():
    tiles = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    assert colours(1)(tiles).flatten().tolist() == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [(((7, 7), True), [[0, 7, 100], [0, 100, 100]]), (((7, 7), False), [[0, 0, 100], [0, 0, 100]]),
     (((7, None), False), [[0, 0, 100], [0, 0, 100]]), (((None, 7), False), [[0, 7, 100], [0, 100, 100]])],
)  # fmt: skip
def test_rules_on_values_mark_pixels_without_data(rule, expected):
    tiles = torch.full((1, 2, 1, 3), 100.0)
    tiles[0, :, 0, 0] = 7
    tiles[0, 0, 0, 1] = 7
    for dtype in (torch.float32, torch.uint8, torch.int16):
        found = Normalise([0.0, 0.0], [1.0, 1.0], [rule])(tiles.to(dtype))[0, :, 0]
        assert found.tolist() == expected
    assert Normalise([0.0, 0.0], [1.0, 1.0])(tiles)[0, 0, 0].tolist() == [7, 7, 100]


def test_a_rounded_nodata_value_of_floats_counts():
    tiles = torch.tensor([torch.finfo(torch.float32).min, -1.0, 0.1]).reshape(1, 1, 1, 3)
    found = Normalise([1.0], [1.0], [((-3.4e38,), False), ((np.float32(0.1).item(),), False)])(tiles)
    assert found.flatten().tolist() == [0, -2, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.float32])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_validity_is_a_last_channel_or_an_argument(dtype, layout):
    """Rules on values are for tiles without one: a value that a mask calls data is data."""
    tiles, valid = raw_tiles(3, 2, 5, dtype), torch.from_numpy(rng(1).random((3, 5, 5)) < 0.5)
    normalise = Normalise([3.0, 4.0], [2.0, 0.5], [((float(tiles[0, 0, 0, 0]), None), False)])
    expected = torch.where(valid[:, None], Normalise([3.0, 4.0], [2.0, 0.5])(tiles), 0.0)
    channel = torch.from_numpy(valid[:, None].numpy().astype(dtype))
    together = torch.from_numpy(np.concatenate([tiles.numpy(), channel.numpy()], 1)).contiguous(memory_format=layout)
    for found in (normalise(together), normalise(tiles, valid), normalise(tiles, valid[:, None].to(torch.uint8))):
        assert torch.equal(found, expected)
    assert normalise(together).is_contiguous(memory_format=layout)  # so that the network need not convert it


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("nodata", [(), [((3.0, 3.0), True)]])
def test_a_pixel_with_one_band_that_is_not_finite_becomes_zero(wrong, nodata):
    tiles = torch.full((1, 2, 2, 2), 5.0)
    tiles[0, 1, 0, 1] = wrong
    for valid in (None, torch.ones(1, 2, 2)):
        found = Normalise([1.0, 1.0], [1.0, 1.0], nodata)(tiles, valid)
        assert found[0].tolist() == [[[4, 0], [4, 4]]] * 2


def test_normalise_refuses_what_does_not_fit():
    for offset, scale in (([1.0, 2.0], [1.0]), ([1.0], [np.inf]), ([np.nan], [1.0])):
        with pytest.raises(ValueError, match="must be finite, a number for each band"):
            Normalise(offset, scale)
