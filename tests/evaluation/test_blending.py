"""Blending against a slow loop over pixels, in strips of all heights, and where no window says anything."""

from itertools import permutations

import numpy as np
import pytest

from evaluation.blending import TIE_DECIMALS, UNKNOWN, Axis, blend
from evaluation.segmentation import class_map, window_positions

SHAPES = [(4, 2, 12, 16), (5, 3, 13, 17), (3, 5, 14, 11), (4, 1, 9, 6), (6, 6, 7, 8), (5, 4, 21, 5)]
CLASSES = 4


def axis_of(side, size, stride):
    return Axis(np.arange(0, side - size + 1, stride), size, side)


def random_votes(rows, columns, seed=0):
    """Votes of windows, of which a fifth say nothing."""
    rng = np.random.default_rng(seed)
    votes = rng.dirichlet(np.ones(CLASSES), (len(rows.starts), len(columns.starts))).round(2)
    votes[rng.random(votes.shape[:2]) < 0.2] = 0
    return votes


def slow_means(votes, rows, columns):
    """Mean of the windows that say something (height, width, K), and their number (height, width)."""
    means, numbers = np.zeros((rows.side, columns.side, CLASSES)), np.zeros((rows.side, columns.side), int)
    for y in range(rows.side):
        for x in range(columns.side):
            covering = [
                votes[i, j]
                for i, top in enumerate(rows.starts)
                for j, left in enumerate(columns.starts)
                if top <= y < top + rows.size and left <= x < left + columns.size and votes[i, j].any()
            ]
            numbers[y, x] = len(covering)
            if covering:
                means[y, x] = np.mean(covering, axis=0)
    return means, numbers


@pytest.mark.parametrize(("size", "stride", "height", "width"), SHAPES)
def test_equals_a_slow_loop_and_the_class_map(size, stride, height, width):
    rows, columns = axis_of(height, size, stride), axis_of(width, size, stride)
    votes = random_votes(rows, columns)
    blended = blend(votes, rows, columns)
    means, numbers = slow_means(votes, rows, columns)
    np.testing.assert_array_equal(blended.pixels(blended.windows), numbers)
    for index in range(CLASSES):
        np.testing.assert_allclose(blended.pixels(blended.means()[..., index]), means[..., index], atol=1e-12)
    winners = np.where(numbers > 0, means.round(TIE_DECIMALS).argmax(-1), UNKNOWN)
    np.testing.assert_array_equal(blended.pixels(blended.winners), winners)
    np.testing.assert_allclose(blended.pixels(blended.confidence()), means.max(-1), atol=1e-9)
    positions = window_positions(height, width, size, stride)
    found = class_map(positions, votes.reshape(-1, CLASSES), size, height, width)
    np.testing.assert_array_equal(found, winners)


@pytest.mark.parametrize(("size", "stride", "height", "width"), SHAPES)
@pytest.mark.parametrize("strip", [1, 2, 3, 5, 8, 100])
def test_strips_of_all_heights_give_the_same_bits(size, stride, height, width, strip):
    rows, columns = axis_of(height, size, stride), axis_of(width, size, stride)
    votes = random_votes(rows, columns, seed=1) / 3  # thirds have no exact sums
    whole = blend(votes, rows, columns)
    for top in range(0, height, strip):
        bottom = min(top + strip, height)
        part = blend(votes[rows.touching(top, bottom)], rows.part(top, bottom), columns)
        assert part.rows.lengths.sum() == bottom - top
        np.testing.assert_array_equal(part.pixels(part.winners), whole.pixels(whole.winners)[top:bottom])
        np.testing.assert_array_equal(part.pixels(part.confidence()), whole.pixels(whole.confidence())[top:bottom])
        for index in range(CLASSES):
            found, expected = (each.pixels(each.means()[..., index]) for each in (part, whole))
            np.testing.assert_array_equal(found, expected[top:bottom])


def test_touching_windows_are_those_with_a_pixel_there():
    axis = Axis(np.array([0, 3, 6, 9]), 4, 20)
    for first in range(20):
        for stop in range(first + 1, 21):
            expected = [i for i, start in enumerate(axis.starts) if start < stop and start + axis.size > first]
            assert list(range(4))[axis.touching(first, stop)] == expected


def test_no_window_at_all():
    blended = blend(np.zeros((0, 0, 2)), Axis(np.zeros(0, int), 4, 3), Axis(np.zeros(0, int), 4, 5))
    np.testing.assert_array_equal(blended.pixels(blended.winners), np.full((3, 5), UNKNOWN))
    np.testing.assert_array_equal(blended.pixels(blended.confidence()), np.zeros((3, 5)))
    assert not blended.means().any()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_equal_means_take_the_lowest_class_whatever_the_order_of_the_sums(order):
    axis, line = Axis(np.array([0, 1, 2]), 3, 5), Axis(np.array([0]), 1, 1)
    votes = np.array([[0.1, 0.7, 0.2], [0.2, 0.1, 0.7], [0.7, 0.2, 0.1]])[list(order)]
    winners = blend(votes[None], line, axis).winners[0]
    assert winners[2] == 0, "each class has 0.1, 0.2 and 0.7, whose sum depends on their order in the last digit"
    alone_or_two = [votes[0], votes[0] + votes[1], votes[1] + votes[2], votes[2]]
    assert winners[[0, 1, 3, 4]].tolist() == [each.argmax() for each in alone_or_two]
