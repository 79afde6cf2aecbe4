"""Which tiles a step forms tuples of, with and without mining."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import config as configuration
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.batch import Batch
from training.steps.step import EmbedFunctions
from training.steps.tuple_step import TupleStep

SIZE = 8


def tuple_step(loss: str, mining: list[str], read=None) -> TupleStep:
    values = {"network": "test_resnet", "loss": loss, "mining": mining, "validation_map": "osm", "batch_size": 5}
    area = Area(Window(0, 0, 640, 640), SIZE, 6)
    sampler = ImageSampler(area, 1, 3, 10, 25, seed=3)
    maps = SimpleNamespace(sampler=lambda: sampler, read=read or place_as_pixels, pools={})
    return TupleStep(configuration.validate(values), maps)


def place_as_pixels(positions: np.ndarray) -> np.ndarray:
    """Tiles (N, 2, 1, 1) whose two bands say where they lie."""
    return np.asarray(positions, np.float32)[:, :, None, None]


def embed_places(tiles: np.ndarray) -> torch.Tensor:
    """A stand-in for a network: the distance of two tiles is that of their places on a bent map."""
    places = torch.from_numpy(np.ascontiguousarray(tiles)).reshape(len(tiles), 2)
    return torch.stack([places[:, 0] % 97, places[:, 1] % 89], 1).requires_grad_()


def embed_batch(batch: Batch) -> torch.Tensor:
    return embed_places(batch.tiles)


def as_embedding(train=embed_batch, no_grad=embed_places, eval_with_grad=embed_places) -> EmbedFunctions:
    return EmbedFunctions(train, lambda tiles: no_grad(tiles).detach(), eval_with_grad)


def squared(first: np.ndarray, second: np.ndarray) -> float:
    bent = [np.array([place[0] % 97, place[1] % 89], float) for place in (first, second)]
    return float(((bent[0] - bent[1]) ** 2).sum())


def hinge(value: float) -> float:
    return max(0.0, value)


def test_roles_of_a_batch_cover_its_tiles_once():
    batch: Batch = tuple_step("quadrupletloss", []).batches.task(1)()
    np.testing.assert_array_equal(np.concatenate(list(batch.roles.values())), np.arange(len(batch.positions)))


def test_without_mining_the_tuples_are_those_drawn():
    step = tuple_step("tripletloss", [])
    batch = step.batches.task(1)()
    terms = step(batch, as_embedding()).terms.detach().numpy()
    anchor, positive, negative = (batch.positions[batch.roles[role]] for role in ("anchor", "positive", "negative"))
    expected = [hinge(squared(a, p) - squared(a, n) + 0.5) for a, p, n in zip(anchor, positive, negative)]
    np.testing.assert_allclose(terms, expected, rtol=1e-5)


@pytest.mark.parametrize("mining", [["HARD_NEGATIVE"], ["HARD_POSITIVE"], ["HARD_NEGATIVE", "HARD_POSITIVE"]])
def test_online_mining_takes_the_hardest_admissible_tile(mining):
    step = tuple_step("tripletloss", mining)
    batch = step.batches.task(2)()
    terms = step(batch, as_embedding()).terms.detach().numpy()
    for i, term in enumerate(terms):
        near = [j for j in range(len(batch.positions)) if batch.positive[i, j]]
        far = [j for j in range(len(batch.positions)) if batch.negative[i, j]]
        distance = {j: squared(batch.positions[i], batch.positions[j]) for j in range(len(batch.positions))}
        p = max((distance[j] for j in near), default=None) if "HARD_POSITIVE" in mining else None
        n = min((distance[j] for j in far), default=None) if "HARD_NEGATIVE" in mining else None
        p = distance[int(batch.roles["positive"][i])] if p is None else p
        n = distance[int(batch.roles["negative"][i])] if n is None else n
        assert term == pytest.approx(hinge(p - n + 0.5), rel=1e-5)


def test_offline_mining_keeps_the_hardest_of_fresh_admissible_draws():
    step = tuple_step("tripletloss", ["RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"])
    batch = step.batches.task(3)()
    candidates = {role: positions.copy() for role, (positions, _) in batch.candidates.items()}
    step(batch, as_embedding())
    anchors = batch.positions[batch.roles["anchor"]]
    for role, hardest in (("negative", min), ("positive", max)):
        assert candidates[role].shape == (5, 10, 2)
        for anchor, chosen, drawn in zip(anchors, batch.positions[batch.roles[role]], candidates[role]):
            assert squared(anchor, chosen) == hardest(squared(anchor, place) for place in drawn)
    np.testing.assert_array_equal(batch.tiles, place_as_pixels(batch.positions))
    positive, _ = step.batches.masks(batch.positions)
    np.testing.assert_array_equal(batch.positive, positive)


def test_offline_mining_embeds_without_gradient():
    step, seen = tuple_step("tripletloss", ["RANDOM_HARD_NEGATIVE"]), []

    def frozen(tiles):
        seen.append(len(tiles))
        return embed_places(tiles)

    step(step.batches.task(1)(), as_embedding(no_grad=frozen))
    assert seen == [5, 50], "the anchors and ten draws for each"


def test_second_negative_is_the_admissible_tile_closest_to_the_mined_first():
    step = tuple_step("quadrupletloss", ["HARD_NEGATIVE"])
    batch = step.batches.task(4)()
    n = len(batch.positions)
    distance = np.array([[squared(batch.positions[i], batch.positions[j]) for j in range(n)] for i in range(n)])
    terms = step(batch, as_embedding()).terms.detach().numpy()
    for i, term in enumerate(terms):
        first = min((j for j in range(n) if batch.negative[i, j]), key=lambda j: (distance[i, j], j))
        second = int(batch.roles["negative2"][i])
        if first != batch.roles["negative"][i]:
            both = [j for j in range(n) if batch.negative[i, j] and batch.negative[first, j]]
            second = min(both, key=lambda j: (distance[first, j], j))
        near = distance[i, int(batch.roles["positive"][i])]
        expected = hinge(near - distance[i, first] + 0.5) + hinge(near - distance[second, first] + 0.25)
        assert term == pytest.approx(expected, rel=1e-5)


def test_second_negative_is_drawn_anew_where_the_batch_has_none():
    step, extra = tuple_step("quadrupletloss", ["HARD_NEGATIVE"]), []
    batch = step.batches.task(5)()
    negative = np.zeros_like(batch.negative)
    anchors, firsts = batch.roles["anchor"], np.roll(batch.roles["negative"], 1)
    negative[anchors, firsts] = True  # one candidate for each anchor, none that is also a negative of that candidate
    batch.negative = negative

    def embed_extra(tiles):
        extra.append(tiles)
        return embed_places(tiles)

    output = step(batch, as_embedding(eval_with_grad=embed_extra))
    places = np.concatenate(extra).reshape(-1, 2)
    assert len(places) == len(anchors)
    for place, anchor, first in zip(places, batch.positions[anchors], batch.positions[firsts]):
        assert np.abs(place - anchor).max() >= 10 * SIZE
        assert np.abs(place - first).max() >= 10 * SIZE
    output.terms.sum().backward()
