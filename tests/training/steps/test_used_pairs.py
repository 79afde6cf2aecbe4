"""False negatives and false positives: which pairs each kind of step used, and what their labels say, against loops."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from runs_for_tests import losses_of, run_in_process, values_of

import config as configuration
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.pool import Pool
from training.progress import PAIRS_EVERY, Progress
from training.runs.checkpoint import load
from training.steps.mined_step import MinedStep
from training.steps.step import EmbedFunctions
from training.steps.step_table import make_step
from training.steps.used_pairs import UsedPairs, false_shares, pairs_of_tuples

SIZE, CLASSES = 8, 3


def labels_of(positions: np.ndarray) -> np.ndarray:
    """A map of squares of three classes, and of some without any."""
    x, y = np.asarray(positions).T // 56
    return (3 * x + 5 * y + x * y) % (CLASSES + 1) - 1


def tiles_of(positions: np.ndarray) -> np.ndarray:
    """Tiles (N, 2, 1, 1) whose two bands say where they lie."""
    return np.asarray(positions, np.float32)[:, :, None, None]


def embed_places(tiles: np.ndarray) -> torch.Tensor:
    places = torch.from_numpy(np.ascontiguousarray(tiles)).reshape(len(tiles), 2)
    return torch.stack([places[:, 0] % 97, places[:, 1] % 89], 1).requires_grad_()


EMBED = EmbedFunctions(
    lambda batch: embed_places(batch.tiles), lambda tiles: embed_places(tiles).detach(), embed_places
)


def step_and_batch(loss: str, mining: list | None = None, supervised: bool = False, number: int = 1):
    values = {"network": "test_resnet", "validation_map": "osm", "batch_size": 5, "magnet_clusters": 4}
    config = configuration.validate(values | {"loss": loss, "mining": mining or [], "supervised": supervised})
    sampler = ImageSampler(Area(Window(0, 0, 640, 640), SIZE, 6), 1, 3, 10, 25, seed=3)
    rng = np.random.default_rng(0)
    places = np.unique(rng.integers(0, 632, (300, 2)), axis=0)
    pool = Pool(places, np.eye(CLASSES, dtype=np.float32)[labels_of(places)])
    labelled = pool.take(np.flatnonzero(labels_of(places) >= 0))
    maps = SimpleNamespace(sampler=lambda: sampler, read=tiles_of, pools={"train": labelled})
    step = make_step(config, maps)
    step.begin_epoch(1, lambda positions: embed_places(tiles_of(positions)).detach().numpy())
    return step, step.batches.task(number)()


def as_places(positions: np.ndarray, pairs: np.ndarray) -> list:
    """The two places of each pair, sorted."""
    return sorted((tuple(positions[i].tolist()), tuple(positions[j].tolist())) for i, j in pairs.T)


def check(pairs: UsedPairs, positive: list, negative: list) -> None:
    """Compare pairs, and the shares of the false ones, with those that a loop found: lists of pairs of places."""
    assert as_places(pairs.positions, pairs.positive) == sorted(positive)
    assert as_places(pairs.positions, pairs.negative) == sorted(negative)
    expected = {}
    for name, found, wrong in (("false_negatives", negative, True), ("false_positives", positive, False)):
        known = [(int(labels_of([a])[0]), int(labels_of([b])[0])) for a, b in found]
        known = [pair for pair in known if -1 not in pair]
        if known:
            expected[name] = pytest.approx(sum((a == b) is wrong for a, b in known) / len(known))
    assert false_shares(pairs, labels_of) == expected
    assert len(expected) == 2, "the test would say nothing"


def places(positions: np.ndarray) -> list:
    return [tuple(place) for place in positions.tolist()]


def squared(first: tuple, second: tuple) -> float:
    bent = [np.array([place[0] % 97, place[1] % 89], float) for place in (first, second)]
    return float(((bent[0] - bent[1]) ** 2).sum())


def test_of_drawn_triplets():
    step, batch = step_and_batch("tripletloss")
    pairs = step(batch, EMBED).used_pairs()
    anchor, positive, negative = (places(batch.positions[batch.roles[r]]) for r in ("anchor", "positive", "negative"))
    check(pairs, list(zip(anchor, positive)), list(zip(anchor, negative)))


@pytest.mark.parametrize("loss", ["tripletloss", "quadrupletloss"])
def test_of_tuples_mined_in_the_batch(loss):
    step, batch = step_and_batch(loss, ["HARD_NEGATIVE", "HARD_POSITIVE"], number=4)
    pairs = step(batch, EMBED).used_pairs()
    every = places(batch.positions)
    near, far = [], []
    for i in batch.roles["anchor"]:
        admissible = [[j for j in range(len(every)) if mask[i, j]] for mask in (batch.positive, batch.negative)]
        distance = [squared(every[i], place) for place in every]
        p = max(admissible[0], key=lambda j: (distance[j], -j), default=batch.roles["positive"][i])
        n = min(admissible[1], key=lambda j: (distance[j], j))
        near.append((every[i], every[p]))
        far.append((every[i], every[n]))
        if loss == "quadrupletloss":
            second = batch.roles["negative2"][i]
            if n != batch.roles["negative"][i]:
                both = [j for j in admissible[1] if batch.negative[n, j]]
                second = min(both, key=lambda j: (squared(every[n], every[j]), j))
            far.append((every[n], every[second]))
    check(pairs, near, far)


def test_of_tuples_mined_among_new_draws():
    step, batch = step_and_batch("tripletloss", ["RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"], number=2)
    candidates = {role: positions.copy() for role, (positions, _) in batch.candidates.items()}
    pairs = step(batch, EMBED).used_pairs()
    found = {}
    for role, hardest in (("positive", max), ("negative", min)):
        found[role] = [
            (anchor, hardest(places(drawn), key=lambda place, anchor=anchor: squared(anchor, place)))
            for anchor, drawn in zip(places(batch.positions[batch.roles["anchor"]]), candidates[role])
        ]
    check(pairs, found["positive"], found["negative"])


def test_of_second_negatives_that_are_drawn_anew():
    step, batch = step_and_batch("quadrupletloss", ["HARD_NEGATIVE"], number=5)
    anchors, firsts = batch.roles["anchor"], np.roll(batch.roles["negative"], 1)
    batch.negative = np.zeros_like(batch.negative)
    batch.negative[anchors, firsts] = True  # one candidate for each anchor, none that is also a negative of that
    drawn = []

    def embed_drawn(tiles):
        drawn.extend(tuple(tile.ravel().astype(int).tolist()) for tile in tiles)
        return embed_places(tiles)

    pairs = step(batch, EmbedFunctions(EMBED.train, EMBED.no_grad, embed_drawn)).used_pairs()
    anchor, first = places(batch.positions[anchors]), places(batch.positions[firsts])
    positive = places(batch.positions[batch.roles["positive"]])
    assert len(drawn) == len(anchor)
    check(pairs, list(zip(anchor, positive)), [*zip(anchor, first), *zip(first, drawn)])


def test_of_clusters():
    step, batch = step_and_batch("magnetloss")
    pairs = step(batch, EMBED).used_pairs()
    every, cluster = places(batch.positions), batch.clusters.tolist()
    both = [(i, j) for i in range(len(every)) for j in range(len(every)) if i != j]
    near = [(every[i], every[j]) for i, j in both if cluster[i] == cluster[j]]
    check(pairs, near, [(every[i], every[j]) for i, j in both if cluster[i] != cluster[j]])


def test_of_clusters_of_classes():
    step, batch = step_and_batch("magnetloss", supervised=True)
    pairs = step(batch, EMBED).used_pairs()
    every, cluster = places(batch.positions), batch.clusters.tolist()
    classes = [batch.cluster_classes[each] for each in cluster]
    both = [(i, j) for i in range(len(every)) for j in range(len(every)) if i != j]
    near = [(every[i], every[j]) for i, j in both if cluster[i] == cluster[j]]
    far = [(every[i], every[j]) for i, j in both if classes[i] != classes[j]]
    check(pairs, near, far)
    assert false_shares(pairs, labels_of) == {"false_negatives": 0, "false_positives": 0}


@pytest.mark.parametrize("loss", ["ntxentloss", "contrastiveloss"])
def test_of_all_admissible_pairs(loss):
    step, batch = step_and_batch(loss)
    pairs = step(batch, EMBED).used_pairs()
    every = places(batch.positions)
    found = [
        [(every[i], every[j]) for i in range(len(every)) for j in range(len(every)) if i != j and mask[i, j]]
        for mask in (batch.positive, batch.negative)
    ]
    check(pairs, *found)


@pytest.mark.parametrize("miner", ["BatchHardMiner", "MultiSimilarityMiner"])
def test_of_pairs_of_a_miner(miner):
    step, batch = step_and_batch("multisimilarityloss", [miner])
    assert isinstance(step, MinedStep)
    every, masks = places(batch.positions), (torch.from_numpy(batch.positive), torch.from_numpy(batch.negative))
    mined = [rows.tolist() for rows in step.mine(embed_places(batch.tiles), *masks, batch.step)]
    columns = (0, 1, 0, 2) if len(mined) == 3 else (0, 1, 2, 3)
    a1, p, a2, n = (mined[column] for column in columns)
    near, far = ([(every[i], every[j]) for i, j in set(zip(*pair))] for pair in ((a1, p), (a2, n)))
    check(step(batch, EMBED).used_pairs(), near, far)


def test_supervised_triplets_have_no_false_pair(workplace, no_figures):
    folder = run_in_process("by-label", supervised=True, iterations=12)
    for name in ("false_negatives", "false_positives"):
        assert values_of(folder, f"train/{name}") == [(1, 0), (1 + PAIRS_EVERY, 0)]


@pytest.mark.parametrize("cache", [True, False])
def test_unsupervised_runs_log_shares_and_train_as_without(workplace, no_figures, monkeypatch, cache):
    keys = {"iterations": 12, "mining": ["HARD_NEGATIVE"], "cache": cache}
    looked_at = run_in_process("looked-at", **keys)
    steps = [1, 1 + PAIRS_EVERY] if cache else [1]
    for name in ("false_negatives", "false_positives"):
        shares = values_of(looked_at, f"train/{name}")
        assert [step for step, _ in shares] == steps
        assert all(0 <= share <= 1 for _, share in shares)
    monkeypatch.setattr(Progress, "_false_shares", lambda *arguments: {})
    blind = run_in_process("blind", **keys)
    assert losses_of(blind) == losses_of(looked_at)
    weights = [load(folder / "last.pt")["network"] for folder in (looked_at, blind)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_share_of_no_pairs_is_left_out():
    positions, none, unlabelled = np.zeros((3, 2), int), np.zeros((2, 0), int), np.array([[0], [1]])
    assert false_shares(UsedPairs(positions, none, none), lambda p: np.zeros(len(p), int)) == {}
    assert false_shares(UsedPairs(positions, unlabelled, none), lambda p: np.array([0, -1])[: len(p)]) == {}
    known = false_shares(UsedPairs(positions, none, unlabelled), lambda p: np.zeros(len(p), int))
    assert known == {"false_negatives": 1}


def test_only_labels_of_used_tiles_are_read():
    asked = []
    pairs = pairs_of_tuples(np.arange(12).reshape(6, 2), [np.array([0, 0]), np.array([5, 5]), np.array([3, 3])])
    false_shares(pairs, lambda p: asked.append(p.tolist()) or np.zeros(len(p), int))
    assert asked == [[[0, 1], [6, 7], [10, 11]]]
