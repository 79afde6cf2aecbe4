"""Steps on pairs, for the loss without negatives."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from runs_for_tests import run_in_process, values_of

import config as configuration
import main
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.supervised_sampler import SupervisedSampler
from losses import SoftContrastLoss, VICRegLoss
from networks import common_axes
from training.runs.checkpoint import load
from training.steps.pair_step import PairStep
from training.steps.step import EmbedFunctions
from training.steps.step_table import make_step
from training.trained import trained_network

MINIMAL = {"network": "test_resnet", "loss": "vicregloss", "validation_map": "osm", "norm_output": False}


def make(**values):
    config = configuration.validate(MINIMAL | {"batch_size": 6} | values)
    sampler = ImageSampler(Area(Window(0, 0, 640, 640), 8, 6), 0, 2, 10, 25, seed=3)
    maps = SimpleNamespace(sampler=lambda: sampler, read=lambda p: p[:, :, None, None].astype(np.float32), pools={})
    return make_step(config, maps)


def embed(batch):
    places = torch.from_numpy(batch.tiles).reshape(len(batch.tiles), 2)
    return torch.stack([places[:, 0] % 97, places[:, 1] % 89], 1).requires_grad_()


def test_pairs_are_near_and_the_loss_takes_them_side_by_side():
    step = make(loss={"vicregloss": {"invariance": 3, "covariance": 0.5}})
    assert isinstance(step, PairStep)
    batch = step.batches.task(1)()
    assert list(batch.roles) == ["anchor", "positive"] and len(batch.tiles) == step.batches.size == 12
    anchors, positives = (batch.positions[batch.roles[role]] for role in batch.roles)
    assert (np.abs(anchors - positives).max(1) <= 16).all()
    output = step(batch, EmbedFunctions(embed, None, None))
    embeddings = embed(batch)
    expected = VICRegLoss(3, 25, 0.5).terms(embeddings[:6], embeddings[6:])
    torch.testing.assert_close(output.terms, expected)
    near = (embeddings[:6] - embeddings[6:]).square().sum(1)
    torch.testing.assert_close(output.distances["positive"], near)
    tiles = output.tiles_of_terms(np.array([4, 1]))
    assert tiles["anchor"].tolist() == [4, 1] and tiles["positive"].tolist() == [10, 7]
    used = output.used_pairs()
    assert used.positive.tolist() == [list(range(6)), list(range(6, 12))] and used.negative.shape == (2, 0)
    output.terms.mean().backward()


def test_soft_contrast_takes_the_proportions_of_the_tiles_that_were_drawn():
    rng = np.random.default_rng(0)
    shares = rng.random((40, 3)).astype(np.float32) ** 3
    pool = Pool(np.unique(rng.integers(0, 600, (40, 2)), axis=0), shares / shares.sum(1, keepdims=True))
    values = MINIMAL | {"batch_size": 5, "loss": "softcontrastloss", "supervised": True}
    sampler = SupervisedSampler(pool, seed=1)
    maps = SimpleNamespace(sampler=lambda: sampler, read=lambda p: p[:, :, None, None].astype(np.float32), pools={})
    step = make_step(configuration.validate(values), maps)
    batch = step.batches.task(1)()
    output = step(batch, EmbedFunctions(embed, None, None))
    places = {tuple(place): row for place, row in zip(pool.positions.tolist(), pool.proportions)}
    proportions = torch.from_numpy(np.stack([places[tuple(place)] for place in batch.positions.tolist()]))
    torch.testing.assert_close(output.terms, SoftContrastLoss().terms(embed(batch), proportions))
    tiles = output.tiles_of_terms(np.array([1, 8]))
    assert tiles["anchor"].tolist() == [1, 8] and tiles["positive"].tolist() == [6, 3]
    labels = pool.labels
    label = {tuple(place): labels[i] for i, place in enumerate(pool.positions.tolist())}
    drawn = [label[tuple(place)] for place in batch.positions.tolist()]
    assert drawn[:5] == drawn[5:]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"norm_output": True}, "'norm_output' must be false for vicregloss"),
        ({"batch_size": 1}, "'batch_size' must be at least 2 for vicregloss"),
        ({"mining": ["HARD_NEGATIVE"]}, "'mining' cannot be used with vicregloss"),
        ({"loss": {"vicregloss": {"invariance": 0}}}, "'loss.vicregloss.invariance' must be a number of at least"),
        ({"loss": "softcontrastloss"}, "'supervised' must be true for softcontrastloss"),
        ({"loss": "quadrupletloss", "projection": [4]}, "'projection' cannot be used with quadrupletloss"),
        (
            {"loss": "quadrupletloss", "test_time_augmentation": True},
            "'test_time_augmentation' cannot be used with quadrupletloss",
        ),
        ({"minimum_noise_fraction": 5}, "'minimum_noise_fraction' is of 'head_inputs', and there are none"),
        ({"fourier_features": 5}, "'fourier_features' must be a whole number .* divisible by 2. Got 5"),
        (
            {"fourier_features": 8, "output_size": 8},
            r"'output_size' must be larger than 'fourier_features' \(8\): .* Got 8",
        ),
    ],
)
def test_what_does_not_go_together(changes, words):
    with pytest.raises(configuration.ConfigError, match=words):
        configuration.validate(MINIMAL | changes)


@pytest.mark.parametrize("loss, supervised", [("vicregloss", False), ("softcontrastloss", True)])
def test_a_run_with_every_part_of_the_recipe(workplace, no_figures, monkeypatch, loss, supervised):
    """It is resumed exactly, and its network is read again without the projection head in use."""
    monkeypatch.setattr(common_axes, "MAX_PAIRS", 200)
    recipe = {
        "loss": loss, "norm_output": True, "head_inputs": ["band_statistics", "random_convolutions"],
        "minimum_noise_fraction": 5, "head_layers": [12], "projection": [9, 7], "weight_decay": 0.01,
        "supervised": supervised, "output_size": 14, "fourier_features": 6, "test_time_augmentation": True,
        "single_class_classifiers": ["dt"], "multi_class_classifiers": ["dt"],
    }  # fmt: skip
    whole = run_in_process("whole_recipe", **recipe, epochs=2)
    part = run_in_process("part", **recipe, epochs=1)
    assert main.main(["resume", str(part), "epochs=2"]) == 0
    one, other = (load(folder / "last.pt")["network"] for folder in (whole, part))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert one["head.0.weight"].shape[1] > 1024 and one["projection.5.weight"].shape == (7, 9)
    network = trained_network(whole / "last.pt")
    tiles = torch.randint(1, 200, (4, 3, 16, 16), dtype=torch.uint8)
    assert one["fourier.frequencies"].shape == (8 + 1024 + 12 + 5, 3) and one["head.3.weight"].shape == (8, 12)
    assert network(tiles).shape == (4, 14)
    torch.testing.assert_close(network(tiles).norm(dim=1), torch.ones(4))
    torch.testing.assert_close(network(tiles.flip(-1)), network(tiles), atol=1e-5, rtol=1e-4)
    curves = values_of(whole, "train/positive_distance")
    assert len(curves) == 4 and np.isfinite(curves).all()
