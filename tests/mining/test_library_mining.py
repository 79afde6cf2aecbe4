"""Miners of pytorch-metric-learning: they find admissible pairs only, and by label what the library finds."""

import itertools

import pytest
import torch
from pairs_for_tests import agrees, by_label, random_masks, some_embeddings
from pytorch_metric_learning import miners
from pytorch_metric_learning.utils.loss_and_miner_utils import convert_to_triplets

from config.library import INVALID_COMBINATIONS, LIBRARY_MINERS, is_invalid_combination
from mining.library import LibraryMiner, as_triplets, distinct_pairs

DRAW = ("DistanceWeightedMiner", "UniformHistogramMiner")
MINERS = [(name, {}) for name in LIBRARY_MINERS] + [
    ("TripletMarginMiner", {"type_of_triplets": "easy"}),
    ("TripletMarginMiner", {"type_of_triplets": "semihard"}),
    ("TripletMarginMiner", {"type_of_triplets": "hard", "margin": 0.3}),
    ("BatchEasyHardMiner", {"pos_strategy": "semihard", "neg_strategy": "hard"}),
    ("BatchEasyHardMiner", {"pos_strategy": "all", "neg_strategy": "easy", "allowed_neg_range": [0.5, 1.5]}),
    ("MultiSimilarityMiner", {"epsilon": 0.3}),
    ("PairMarginMiner", {"pos_margin": 0.9, "neg_margin": 1.4}),
    ("AngularMiner", {"angle": 32}),
]
of_miners = pytest.mark.parametrize(("name", "parameters"), MINERS)


def as_set(anchors: torch.Tensor, *others: torch.Tensor) -> list[tuple[int, ...]]:
    return sorted(zip(anchors.tolist(), *(other.tolist() for other in others), strict=True))


def tuple_roles(mined) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Positive and negative pairs of mined tuples."""
    a1, p, a2, n = mined if len(mined) == 4 else (mined[0], mined[1], mined[0], mined[2])
    return (a1, p), (a2, n)


@of_miners
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_miner_finds_admissible_pairs_only(name, parameters, seed):
    embeddings, masks = some_embeddings(24, seed), random_masks(24, seed)
    mined = LibraryMiner(name, parameters, seed)(embeddings, *masks, step=1)
    for mask, (anchors, others) in zip(masks, tuple_roles(mined)):
        assert mask[anchors, others].all()
        assert (anchors != others).all(), "though the masks admit some tiles to themselves"
    assert not any(rows.requires_grad for rows in mined)
    assert len(mined[0]), "the test would say nothing"
    for rows in as_triplets(mined), distinct_pairs(mined):
        for mask, (anchors, others) in zip(masks, tuple_roles(rows)):
            assert mask[anchors, others].all()


@pytest.mark.parametrize(("name", "parameters"), [each for each in MINERS if each[0] not in DRAW])
def test_by_label_a_miner_finds_what_the_library_finds(name, parameters):
    embeddings = some_embeddings(20, 5)
    labels, positive, negative = by_label(20)
    ours = LibraryMiner(name, parameters, 0)(embeddings, positive, negative, step=1)
    theirs = getattr(miners, name)(**parameters)(embeddings, labels)
    assert len(ours) == len(theirs)
    if len(ours) == 3:
        assert as_set(*ours) == as_set(*theirs)
    for mine, other in zip(tuple_roles(ours), tuple_roles(theirs)):
        assert as_set(*mine) == as_set(*other)
    assert as_set(*as_triplets(ours)) == as_set(*convert_to_triplets(theirs, labels))


@pytest.mark.parametrize("name", DRAW)
def test_draws_depend_on_seed_and_step_alone(name):
    embeddings, masks, state = some_embeddings(24, 9), random_masks(24, 9), torch.random.get_rng_state()

    def drawn(seed: int, step: int) -> list:
        return [rows.tolist() for rows in LibraryMiner(name, {}, seed)(embeddings, *masks, step)]

    first = drawn(0, 1)
    assert torch.equal(torch.random.get_rng_state(), state), "the draws of others are left as they were"
    torch.rand(3)
    assert drawn(0, 1) == first
    assert drawn(0, 2) != first and drawn(1, 1) != first


@pytest.mark.parametrize("name", LIBRARY_MINERS)
def test_the_table_of_miners_agrees_with_the_library(name):
    agrees(LIBRARY_MINERS[name], getattr(miners, name))


def test_strategies_that_do_not_go_together_are_those_the_library_refuses():
    for name, (parameters, _) in INVALID_COMBINATIONS.items():
        options = [LIBRARY_MINERS[name][parameter].options for parameter in parameters]
        for combination in itertools.product(*options):
            given = dict(zip(parameters, combination))
            try:
                getattr(miners, name)(**given)
                refused = False
            except ValueError:
                refused = True
            assert is_invalid_combination(name, given) == refused


@of_miners
@pytest.mark.parametrize("dimensions", [1, 2, 64])
def test_tiles_that_lie_opposite_to_all_others(name, parameters, dimensions):
    """DistanceWeightedMiner of the library raises for an anchor with no tile nearer than that."""
    embeddings = torch.zeros(6, dimensions)
    embeddings[:, 0] = torch.tensor([1.0, -1, -1, 1, 1, -1])
    positive, negative = torch.zeros(2, 6, 6, dtype=torch.bool)
    positive[0, 1] = positive[1, 0] = negative[0, 2] = negative[2, 0] = True  # opposite alone
    positive[3, 4] = positive[4, 3] = negative[3, 5] = negative[5, 3] = True
    mined = LibraryMiner(name, parameters, 0)(embeddings, positive, negative, step=1)
    for mask, (anchors, others) in zip((positive, negative), tuple_roles(mined)):
        assert mask[anchors, others].all()
