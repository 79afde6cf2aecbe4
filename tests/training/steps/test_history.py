"""What is remembered of the steps: sampled positions, and the hardest tuples."""

import numpy as np
import pytest

from training.steps.history import MAX_HARDEST, MAX_SAMPLED, HardestTuples, SampledPositions


def test_sampled_keeps_an_even_part_of_very_many_positions():
    sampled = SampledPositions()
    for i in range(0, 5 * MAX_SAMPLED, 100):
        sampled.add("anchor", np.stack([np.arange(i, i + 100)] * 2, 1))
    kept = sampled.by_role()["anchor"][:, 0]
    assert MAX_SAMPLED / 4 <= len(kept) <= MAX_SAMPLED
    assert len(np.unique(np.diff(kept))) == 1, "early places are kept as often as late ones"
    assert kept[0] == 0
    assert kept[-1] > 4.9 * MAX_SAMPLED


def test_hardest_tuples_are_those_of_largest_loss_of_all_steps():
    rng, hardest, all_terms = np.random.default_rng(0), HardestTuples(), []
    for step in range(20):
        terms = rng.random(12).round(3)
        positions = np.stack([np.full(24, step), np.arange(24)], 1)
        hardest.add(terms, positions, lambda chosen: {"anchor": chosen, "negative": chosen + 12})
        all_terms += [(term, step, i) for i, term in enumerate(terms)]
    expected = sorted(all_terms, key=lambda each: -each[0])[:MAX_HARDEST]
    assert hardest.losses == [term for term, _, _ in expected]
    assert hardest.positions == [{"anchor": [step, i], "negative": [step, i + 12]} for _, step, i in expected]
    positions, rows = hardest.tiles_by_role()
    assert [role for role, _ in rows] == ["anchor", "negative"]
    assert positions[rows[1][1]].tolist() == [[step, i + 12] for _, step, i in expected]
    again = HardestTuples()
    again.load_state_dict(hardest.state_dict())
    assert (again.losses, again.positions) == (hardest.losses, hardest.positions)
    hardest.clear()
    assert hardest.tiles_by_role()[1] == [] and len(again.losses) == MAX_HARDEST


def test_tuples_without_loss_or_without_a_tile_are_not_hard():
    hardest = HardestTuples()
    positions = np.arange(8).reshape(4, 2)
    hardest.add(np.array([0.0, 2.0, 1.0]), positions, lambda chosen: {"tile": chosen, "other": np.array([-1, 3])})
    assert hardest.losses == [1.0]
    assert hardest.positions == [{"tile": [4, 5], "other": [6, 7]}]
    hardest.add(np.zeros(3), positions, lambda chosen: pytest.fail("nothing was hard"))
