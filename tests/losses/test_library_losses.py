"""Losses of pytorch-metric-learning: they see the given pairs only, and are the library's own by label."""

import pytest
import torch
from pairs_for_tests import agrees, by_label, random_masks, some_embeddings
from pytorch_metric_learning import losses

from config import validate
from config.library import LIBRARY_LOSSES, LIBRARY_MINERS, LOSSES_WITH_MINERS
from losses.library import LibraryLoss
from mining.library import LibraryMiner, all_pairs, distinct_pairs
from training.steps.mined_step import MINED_LOSSES

MINIMAL = {"network": "test_resnet", "loss": "tripletloss", "validation_map": "osm"}
of_losses = pytest.mark.parametrize("loss", LOSSES_WITH_MINERS)


def make_loss(name: str, **changes):
    return MINED_LOSSES[name](validate(MINIMAL | {"loss": name} | changes))


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


@pytest.mark.parametrize("name", LIBRARY_LOSSES)
def test_the_table_of_losses_agrees_with_the_library(name):
    class_name, parameters = LIBRARY_LOSSES[name]
    assert class_name.lower() == name
    agrees(parameters, getattr(losses, class_name))
    LibraryLoss(name, {parameter: known.default for parameter, known in parameters.items()})
