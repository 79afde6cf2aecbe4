"""Miners against slow loops, and their degenerate cases."""

import pytest
import torch

from losses.distances import pairwise_squared_distances
from mining import MINING_MODES, batch_hard, random_hard, second_negative


def slow_hardest(row, candidates, farthest):
    """Index of the hardest candidate, the lowest of equals; -1 where there is none."""
    best = -1
    for j in candidates:
        if best < 0 or (row[j] > row[best] if farthest else row[j] < row[best]):
            best = j
    return best


def slow_batch_hard(distances, positives, negatives):
    rows, columns = distances.shape
    found = []
    for i in range(rows):
        sides = [[j for j in range(columns) if j != i and mask[i, j]] for mask in (positives, negatives)]
        found.append([slow_hardest(distances[i], sides[0], True), slow_hardest(distances[i], sides[1], False)])
    return found


def random_batch(seed, rows=12, columns=12, chance=0.25):
    generator = torch.Generator().manual_seed(seed)
    distances = pairwise_squared_distances(torch.randn(columns, 4, generator=generator, dtype=torch.float64))[:rows]
    positives, negatives = torch.rand(2, rows, columns, generator=generator) < chance
    return distances, positives, negatives


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("rows", "chance"), [(12, 0.5), (12, 0.08), (5, 0.25)])
def test_batch_hard_equals_a_slow_loop(seed, rows, chance):
    distances, positives, negatives = random_batch(seed, rows, chance=chance)
    found = batch_hard(distances, positives, negatives)
    expected = slow_batch_hard(distances, positives, negatives)
    assert torch.stack(found[:2], 1).tolist() == expected
    assert found.valid.tolist() == [p >= 0 and n >= 0 for p, n in expected]
    assert found.positive.dtype == found.negative.dtype == torch.int64


def test_tables_of_any_layout_in_memory():
    table = random_batch(3)
    turned = [each.t().contiguous().t() for each in table]
    assert not turned[0].is_contiguous()
    for ours, expected in zip(batch_hard(*turned), batch_hard(*table)):
        assert torch.equal(ours, expected)


@pytest.mark.parametrize("seed", range(5))
def test_ties_take_the_lowest_index(seed):
    distances, positives, negatives = random_batch(seed, 10, 40, chance=0.4)
    coarse = (distances > distances.median()).float()  # two values only: every choice is a tie
    found = batch_hard(coarse, positives, negatives)
    assert torch.stack(found[:2], 1).tolist() == slow_batch_hard(coarse, positives, negatives)
    everyone = torch.ones(4, 4, dtype=torch.bool)
    assert batch_hard(torch.zeros(4, 4), everyone, everyone).positive.tolist() == [1, 0, 0, 0]


def test_the_anchor_itself_is_never_chosen():
    everyone = torch.ones(6, 6, dtype=torch.bool)
    distances = random_batch(0)[0][:6, :6]
    own = torch.arange(6)
    assert (batch_hard(distances, everyone, everyone).negative != own).all()  # though it is the closest
    assert (batch_hard(-distances, everyone, everyone).positive != own).all()  # and now the farthest
    assert batch_hard(distances, torch.eye(6, dtype=torch.bool), everyone).positive.tolist() == [-1] * 6
    assert batch_hard(torch.zeros(1, 1), everyone[:1, :1], everyone[:1, :1]).negative.tolist() == [-1]


def test_a_side_without_a_candidate():
    distances, positives, negatives = random_batch(1, chance=0.9)
    positives[3], negatives[5] = False, False
    found = batch_hard(distances, positives, negatives)
    assert found.positive[3] == -1
    assert found.negative[3] >= 0
    assert found.negative[5] == -1
    assert (~found.valid).nonzero().flatten().tolist() == [3, 5]


def test_an_infinite_distance_is_far_but_a_candidate():
    distances = torch.tensor([[0.0, torch.inf, torch.inf, 1.0]])
    positives = torch.tensor([[True, False, True, True]])
    negatives = torch.tensor([[False, False, True, False]])
    found = batch_hard(distances, positives, negatives)
    assert (found.positive.item(), found.negative.item()) == (2, 2)


def test_nan_is_refused_where_it_could_be_chosen():
    distances, everyone = torch.zeros(3, 3), torch.ones(3, 3, dtype=torch.bool)
    distances[0, 1] = torch.nan
    for masks in ((everyone, ~everyone), (~everyone, everyone)):
        with pytest.raises(ValueError, match="NaN"):
            batch_hard(distances, *masks)
    assert batch_hard(distances, ~everyone, ~everyone).positive.tolist() == [-1] * 3
    with pytest.raises(ValueError, match="NaN"):
        second_negative(distances, everyone, torch.tensor([2]), torch.tensor([0]))
    with pytest.raises(ValueError, match="NaN"):
        random_hard(torch.zeros(1, 2), torch.tensor([[[0.0, 0.0], [torch.nan, 0.0]]]), "positive")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_any_floating_type(dtype):
    distances, positives, negatives = random_batch(2)
    distances = (4 * distances).round()
    found = batch_hard(distances.to(dtype), positives, negatives)
    assert all(torch.equal(a, b) for a, b in zip(found, batch_hard(distances, positives, negatives)))


def test_an_empty_batch_and_shapes_that_do_not_fit():
    nobody = torch.empty(0, 0, dtype=torch.bool)
    assert all(len(part) == 0 for part in batch_hard(torch.empty(0, 0), nobody, nobody))
    no_index = torch.empty(0, dtype=torch.long)
    assert second_negative(torch.empty(0, 0), nobody, no_index, no_index).shape == (0,)
    assert random_hard(torch.empty(0, 3), torch.empty(0, 10, 3), "negative").shape == (0,)
    with pytest.raises(ValueError, match=r"one shape \(A, N\)"):
        batch_hard(torch.zeros(3, 3), torch.ones(3, 3, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("chance", [0.2, 0.7])
def test_second_negative_equals_a_slow_loop(seed, chance):
    distances, negatives, _ = random_batch(seed, chance=chance)
    generator = torch.Generator().manual_seed(seed)
    anchors, first = torch.randint(12, (20,), generator=generator), torch.randint(-1, 12, (20,), generator=generator)
    expected = []
    for a, n1 in zip(anchors.tolist(), first.tolist()):
        candidates = [j for j in range(12) if n1 >= 0 and j not in (a, n1) and negatives[a, j] and negatives[n1, j]]
        expected.append(slow_hardest(distances[n1], candidates, farthest=False))
    assert second_negative(distances, negatives, anchors, first).tolist() == expected
    assert -1 in expected or chance > 0.5


def test_second_negative_is_of_a_third_label():
    labels = torch.tensor([0, 1, 1, 2, 2, 0])
    distances = pairwise_squared_distances(torch.tensor([0.0, 1.0, 1.1, 5.0, 4.0, 1.2])[:, None])
    negatives = labels[:, None] != labels
    assert second_negative(distances, negatives, torch.tensor([0, 0]), torch.tensor([1, 3])).tolist() == [4, 2]
    assert second_negative(torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool), *torch.tensor([[0], [1]])) == -1


@pytest.mark.parametrize("hardest", ["negative", "positive"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_random_hard_equals_a_slow_loop(hardest, dtype):
    generator = torch.Generator().manual_seed(7)
    anchor = torch.randn(15, 4, generator=generator, dtype=dtype)
    candidates = torch.randn(15, 10, 4, generator=generator, dtype=dtype)
    candidates[:, 5:] = candidates[:, :5]  # every choice is a tie
    expected = [
        slow_hardest([sum((x - y) ** 2 for x, y in zip(a, c)) for c in rows], range(10), hardest == "positive")
        for a, rows in zip(anchor.tolist(), candidates.tolist())
    ]
    assert random_hard(anchor, candidates, hardest).tolist() == expected


def test_random_hard_refuses_another_word():
    with pytest.raises(ValueError, match=r"must be 'negative' or 'positive'. Got 'hardest'"):
        random_hard(torch.zeros(2, 3), torch.zeros(2, 4, 3), "hardest")


def test_random_hard_tells_apart_what_half_precision_could_not():
    anchor = torch.zeros(1, 64, dtype=torch.bfloat16)
    candidates = torch.ones(1, 3, 64, dtype=torch.bfloat16)
    candidates[0, 2, 0] = 1.0078125  # one step of bfloat16; in the sum of 64 squares it is lost at 8 bits
    assert random_hard(anchor, candidates, "positive").item() == 2


def test_mining_has_no_gradient():
    distances, positives, negatives = random_batch(3)
    found = batch_hard(distances.requires_grad_(), positives, negatives)
    assert not any(part.requires_grad for part in found)


def test_the_four_modes():
    assert MINING_MODES == ("HARD_NEGATIVE", "HARD_POSITIVE", "RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE")
