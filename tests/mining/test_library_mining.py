"""Miners and losses of pytorch-metric-learning: they see admissible pairs only, and are the library's own by label."""

import inspect
import itertools
import json
import signal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.utils.loss_and_miner_utils import convert_to_triplets
from runs_for_tests import config_file, losses_of, run_in_process, values_of

import main
from config import ConfigError, validate
from config.library import (
    INVALID_COMBINATIONS,
    LIBRARY_LOSSES,
    LIBRARY_MINERS,
    LOSSES_WITH_MINERS,
    is_invalid_combination,
)
from losses.library import LibraryLoss
from mining.library import LibraryMiner, all_pairs, as_triplets, distinct_pairs
from training.runs.checkpoint import load
from training.steps.mined_step import MINED_LOSSES
from training.trainer import Trainer

MINIMAL = {"network": "test_resnet", "loss": "tripletloss", "validation_map": "osm"}
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
of_losses = pytest.mark.parametrize("loss", LOSSES_WITH_MINERS)


def some_embeddings(number: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(number, 8, generator=generator) + 0.3, dim=1).requires_grad_()


def random_masks(number: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks that are neither symmetric nor transitive, with pairs in both roles, and five tiles that serve no one."""
    generator = torch.Generator().manual_seed(seed)
    positive, negative = (torch.rand(number, number, generator=generator) < share for share in (0.3, 0.5))
    positive[0], negative[1] = False, False  # anchors that lack a role
    for mask in (positive, negative):
        mask[-5:] = mask[:, -5:] = False
    return positive, negative


def by_label(number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    labels = torch.arange(number) % 4
    same = labels[:, None] == labels
    return labels, same & ~torch.eye(number, dtype=torch.bool), ~same


def as_set(anchors: torch.Tensor, *others: torch.Tensor) -> list[tuple[int, ...]]:
    return sorted(zip(anchors.tolist(), *(other.tolist() for other in others), strict=True))


def tuple_roles(mined) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Positive and negative pairs of mined tuples."""
    a1, p, a2, n = mined if len(mined) == 4 else (mined[0], mined[1], mined[0], mined[2])
    return (a1, p), (a2, n)


def make_loss(name: str, **changes):
    return MINED_LOSSES[name](validate(MINIMAL | {"loss": name} | changes))


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


@of_losses
@pytest.mark.parametrize("miner", [None, *LIBRARY_MINERS])
def test_tiles_that_serve_no_one_get_no_gradient(loss, miner):
    embeddings, (positive, negative) = some_embeddings(24, 3), random_masks(24, 3)
    mined = all_pairs(positive, negative)
    if miner:
        mined = LibraryMiner(miner, {}, 0)(embeddings, positive, negative, step=1)
    scored = make_loss(loss)(embeddings, mined)
    scored.loss.backward()
    assert torch.equal(embeddings.grad[-5:], torch.zeros(5, 8)), "exactly 0"
    assert embeddings.grad[:-5].abs().sum() > 0
    assert scored.tiles[:, 1:].max() < 19
    assert not scored.terms[scored.tiles[:, 0] >= 19].any()
    assert len(scored.tiles) == len(scored.terms)
    assert scored.terms.isfinite().all()


@pytest.mark.parametrize("loss", LIBRARY_LOSSES)
def test_a_loss_depends_on_the_pairs_it_is_given_and_on_no_others(loss):
    """One anchor's terms: moving a tile that is inadmissible for this anchor, and for it alone, changes none."""
    positive, negative = random_masks(24, 4)
    for anchor in range(2, 12):
        embeddings = some_embeddings(24, 4)
        scored = make_loss(loss)(embeddings, all_pairs(positive, negative))
        scored.terms[scored.tiles[:, 0] == anchor].sum().backward()
        stranger = ~(positive | negative)[anchor]
        stranger[anchor] = False
        assert stranger[:-5].any()
        assert torch.equal(embeddings.grad[stranger], torch.zeros(int(stranger.sum()), 8))


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


@pytest.mark.parametrize("loss", LIBRARY_LOSSES)
@pytest.mark.parametrize("miner", [None, "MultiSimilarityMiner", "TripletMarginMiner"])
def test_by_label_a_loss_is_the_one_of_the_library(loss, miner):
    embeddings, again = some_embeddings(20, 6), some_embeddings(20, 6)
    labels, positive, negative = by_label(20)
    mined, given = all_pairs(positive, negative), None
    if miner:
        mined = LibraryMiner(miner, {}, 0)(embeddings, positive, negative, step=1)
        given = distinct_pairs(mined)
    scored = make_loss(loss)(embeddings, mined)
    theirs = getattr(losses, LIBRARY_LOSSES[loss][0])()(again, labels, given)
    torch.testing.assert_close(scored.loss, theirs)
    scored.loss.backward()
    theirs.backward()
    torch.testing.assert_close(embeddings.grad, again.grad, rtol=1e-4, atol=1e-6)


@of_losses
def test_of_no_tuple_the_loss_is_0_with_a_gradient_of_0(loss):
    embeddings, nothing = some_embeddings(6, 7), torch.zeros(6, 6, dtype=torch.bool)
    for mined in (all_pairs(nothing, nothing), LibraryMiner("AngularMiner", {}, 0)(embeddings, nothing, nothing, 1)):
        embeddings.grad = None
        scored = make_loss(loss)(embeddings, mined)
        scored.loss.backward()
        assert scored.loss.item() == 0
        assert torch.equal(embeddings.grad, torch.zeros(6, 8))
        assert scored.terms.shape == (0,) and scored.tiles.shape == (0, 3)


@of_losses
def test_half_precision_and_autocast_lose_nothing(loss):
    embeddings, masks = some_embeddings(24, 8).detach().bfloat16(), random_masks(24, 8)
    wide = make_loss(loss)(embeddings.float(), all_pairs(*masks))
    with torch.autocast("cpu", torch.bfloat16):
        mined = LibraryMiner("MultiSimilarityMiner", {}, 0)(embeddings, *masks, step=1)
        scored = make_loss(loss)(embeddings, all_pairs(*masks))
    assert scored.terms.dtype == scored.loss.dtype == torch.float32
    assert torch.equal(scored.terms, wide.terms)
    for ours, expected in zip(mined, LibraryMiner("MultiSimilarityMiner", {}, 0)(embeddings.float(), *masks, step=1)):
        assert torch.equal(ours, expected)


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


@pytest.mark.parametrize("name", LIBRARY_LOSSES)
def test_the_table_of_losses_agrees_with_the_library(name):
    class_name, parameters = LIBRARY_LOSSES[name]
    assert class_name.lower() == name
    agrees(parameters, getattr(losses, class_name))
    LibraryLoss(name, {parameter: known.default for parameter, known in parameters.items()})


def agrees(parameters: dict, library_class: type) -> None:
    signature = inspect.signature(library_class.__init__).parameters.values()
    named = {each.name: each.default for each in signature if each.default is not inspect.Parameter.empty}
    assert {parameter: known.default for parameter, known in parameters.items()} == named
    assert all(known.allows(known.default) for known in parameters.values())


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


@pytest.mark.parametrize(
    ("changes", "parts"),
    [({"mining": {"AngularMiner": {"angel": 3}}},
      ["'mining.AngularMiner.angel' is not a parameter", "Its parameters: angle"]),
     ({"mining": [{"AngularMiner": {"angle": 91}}]}, ["a number of at least 0 and at most 90. Got 91"]),
     ({"mining": {"UniformHistogramMiner": {"num_bins": 2.5}}}, ["num_bins' must be a whole number"]),
     ({"mining": {"TripletMarginMiner": {"type_of_triplets": "hardest"}}}, ["one of hard, semihard, easy, all"]),
     ({"mining": {"BatchEasyHardMiner": {"allowed_pos_range": [1, 0.5]}}}, ["null or [low, high] within 0 and 2"]),
     ({"mining": {"BatchEasyHardMiner": {"pos_strategy": "semihard"}}}, ["cannot be combined"]),
     ({"mining": "AnglarMiner"}, ["'mining' must be a list of any of HARD_NEGATIVE", "AngularMiner"]),
     ({"mining": {"AngularMiner": {}, "PairMarginMiner": {}}}, ["'mining' must be a list of any of"]),
     ({"mining": {"HARD_NEGATIVE": {}}}, ["'mining' must be a list of any of"]),
     ({"mining": ["AngularMiner", "PairMarginMiner"]}, ["one miner of pytorch-metric-learning at most. Got 2"]),
     ({"mining": ["AngularMiner", {"AngularMiner": {"angle": 3}}]}, ["at most. Got 2"]),
     ({"mining": ["AngularMiner", "HARD_POSITIVE"]}, ["both choose among the tiles of the batch"]),
     ({"loss": "magnetloss", "mining": "AngularMiner"}, ["magnetloss cannot use"]),
     ({"loss": "quadrupletloss", "mining": "AngularMiner"}, ["quadrupletloss cannot use", "supconloss"]),
     ({"loss": "circleloss", "mining": "HARD_NEGATIVE"}, ["circleloss uses all pairs"]),
     ({"loss": {"ntxentloss": {"margin": 1}}},
      ["'loss.ntxentloss.margin' is not a parameter", "Its parameters: temperature"]),
     ({"loss": {"ntxentloss": {"temperature": 0}}}, ["'loss.ntxentloss.temperature' must be a number of at least"]),
     ({"loss": {"ntxentloss": {"temperature": True}}}, ["Got True"]),
     ({"loss": {"tripletloss": {}}}, ["'loss' must be one of tripletloss"]), ({"loss": {}}, ["'loss' must be one of"])],
)  # fmt: skip
def test_what_a_config_cannot_mean(changes, parts):
    with pytest.raises(ConfigError) as told:
        validate(MINIMAL | changes)
    assert len(str(told.value).splitlines()) == 1
    for part in parts:
        assert part in str(told.value)


def test_ways_to_write_a_miner_and_a_loss():
    changes = {"loss": {"ntxentloss": {"temperature": 0.1}}, "mining": {"AngularMiner": {"angle": 30}}}
    config = validate(MINIMAL | changes)
    assert (config.loss_name, config.run_name) == ("ntxentloss", "ntxentloss-test_resnet")
    assert config.library_miners == [("AngularMiner", {"angle": 30})]
    assert validate(json.loads(config.to_json())) == config
    plain = validate(MINIMAL | {"loss": {"ntxentloss": {}}, "mining": ["RANDOM_HARD_POSITIVE", {"AngularMiner": {}}]})
    assert (plain.loss, plain.mining) == ("ntxentloss", ("RANDOM_HARD_POSITIVE", "AngularMiner"))
    (warning,) = validate(MINIMAL | {"loss": "circleloss", "alt_loss": True, "margin": 1}).warnings()
    assert "'alt_loss', 'margin': no effect with circleloss" in warning


RUNS = list(zip([*LIBRARY_MINERS, None], itertools.cycle(LOSSES_WITH_MINERS)))  # every miner, every loss, and all pairs


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize(("miner", "loss"), RUNS)
def test_every_miner_and_every_loss_trains(workplace, no_figures, miner, loss, supervised):
    folder = run_in_process(
        f"{miner}-{loss}", loss=loss, mining=[miner] if miner else [], supervised=supervised, valIteration=1
    )
    assert np.isfinite(losses_of(folder)).all()
    assert len(losses_of(folder)) == 2


def test_a_miner_with_parameters_after_offline_mining_by_the_triplet_loss(workplace, no_figures):
    mining = ["RANDOM_HARD_POSITIVE", {"TripletMarginMiner": {"type_of_triplets": "all", "margin": 2}}]
    folder = run_in_process("offline", mining=mining, valIteration=1)
    assert all(loss > 0 for loss in losses_of(folder))
    assert "TripletMarginMiner" in (folder / "report.html").read_text()


def test_a_miner_that_finds_nothing_breaks_nothing(workplace, no_figures):
    nothing = {"PairMarginMiner": {"pos_margin": 2, "neg_margin": 0}}
    folder = run_in_process("nothing", loss={"contrastiveloss": {"neg_margin": 0.5}}, mining=nothing, valIteration=1)
    assert losses_of(folder) == [0, 0]
    assert values_of(folder, "train/active_share") == [(1, 0), (2, 0)]


def test_a_run_with_draws_is_made_again_and_resumed_bit_for_bit(workplace, no_figures, monkeypatch):
    changes = {"loss": "ntxentloss", "mining": "DistanceWeightedMiner", "iterations": 3, "valIteration": 1}
    unbroken = run_in_process("unbroken-drawn", **changes)
    whole = Trainer._train_step

    def interrupted(trainer, batch, waited):
        if batch.step == 2:
            signal.raise_signal(signal.SIGTERM)
        return whole(trainer, batch, waited)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_step", interrupted)
        assert main.main([str(config_file("broken-drawn", **changes))]) == 128 + signal.SIGTERM
    assert main.main(["resume", "results/broken-drawn"]) == 0
    broken = unbroken.parent / "broken-drawn"
    assert losses_of(broken) == losses_of(unbroken)
    ours, theirs = (load(folder / "last.pt")["network"] for folder in (broken, unbroken))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
