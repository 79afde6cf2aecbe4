"""Fourier features are fitted to trained weights and to pairs of near tiles, in one process as in several."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from runs_for_tests import UNLABELLED, run_in_process, values_of
from together_for_tests import together

from config import validate
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import Area
from networks import Architecture, HeadInputs, Normalise, build, common_axes
from networks.fourier_features import FourierFeatures
from training.execution.device import Execution
from training.execution.processes import ALONE
from training.forward import ForwardPass
from training.runs.checkpoint import load
from training.trained import trained_network

OFFSET, SCALE, PAIRS = np.array([90.0, 110.0, 70.0]), np.array([0.02, 0.01, 0.03]), 45
CONFIG = {"network": "test_resnet", "loss": "tripletloss", "validation_map": "osm", "device": "cpu", "image_size": 16}
RNG = np.random.default_rng(0)
LAND = RNG.integers(1, 120, (3, 60, 60)).repeat(5, 1).repeat(5, 2)  # patches of 5 pixels
PIXELS = (LAND + RNG.integers(1, 99, LAND.shape)).astype("uint8")


def read(positions):
    """Tiles (N, 3, 16, 16) of a map of patches and noise."""
    return np.stack([PIXELS[:, y : y + 16, x : x + 16] for x, y in positions])


def forward_pass(processes=ALONE):
    area = Area(Window(0, 0, 300, 300), 16, 6)
    maps = SimpleNamespace(area=area, read=read, sampler=lambda: ImageSampler(area, 0, 0.5, 3, 9, seed=3))
    sample = read(area.draw(40, np.random.default_rng(1)))
    inputs = HeadInputs(("band_statistics",), OFFSET, SCALE).fit(torch.from_numpy(sample))
    network = build(
        Architecture("test_resnet", 3, 16, 14, False, fourier_features=6),
        Normalise(OFFSET, SCALE),
        0,
        head_inputs=inputs,
    )
    return ForwardPass(validate(CONFIG), network, Execution(torch.device("cpu"), 1, "fp32", False), maps, processes)


def fitted(processes=ALONE):
    """What is fitted in one of several processes, or in one alone: name -> buffer."""
    common_axes.MAX_PAIRS = PAIRS
    made = forward_pass(processes)
    made.fit_fourier_features()
    return dict(made.network.fourier.state_dict())


def test_pairs_are_near_tiles(monkeypatch):
    seen = []
    monkeypatch.setattr(common_axes, "MAX_PAIRS", PAIRS)
    monkeypatch.setattr(FourierFeatures, "fit", lambda fourier, *pairs: seen.extend(pairs) or fourier)
    made = forward_pass()
    positions = []
    made.maps.read = lambda places: positions.extend(places.tolist()) or read(places)
    made.fit_fourier_features()
    anchors, positives = np.array(positions).reshape(2, PAIRS, 2)
    assert np.abs(anchors - positives).max() <= 8 and (anchors != positives).any(1).all()
    assert len(np.unique(anchors, axis=0)) > PAIRS // 2
    network = made.network.eval()
    for features, places in zip(seen, (anchors, positives)):
        for own, place in zip(features, places):  # tile by tile
            with torch.no_grad():
                expected = torch.cat(network.learned(torch.from_numpy(read(place[None]))), 1)[0]
            torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-4)


def test_the_number_of_pairs():
    made = forward_pass()
    assert made.fourier_pairs == 8 * (8 + 12)
    made.network.fourier = None
    assert made.fourier_pairs == 0


def test_several_processes_fit_what_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(common_axes, "MAX_PAIRS", common_axes.MAX_PAIRS)  # `fitted` changes it
    one = fitted()
    assert one["frequencies"].abs().max() > 0
    for number, states in together((2, 3), fitted, tmp_path).items():
        for state in states:
            assert all(torch.equal(state[name], states[0][name]) for name in state), f"{number} processes agree"
            for name, value in one.items():
                torch.testing.assert_close(state[name], value, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("supervised", [False, True])
def test_each_evaluated_network_but_the_untrained_one_has_its_own(workplace, no_figures, monkeypatch, supervised):
    fit, fits = FourierFeatures.fit, []

    def noted(fourier, *pairs):
        fit(fourier, *pairs)
        fits.append(fourier.frequencies.clone())
        return fourier

    monkeypatch.setattr(common_axes, "MAX_PAIRS", PAIRS)
    monkeypatch.setattr(FourierFeatures, "fit", noted)
    keys = {"output_size": 14, "fourier_features": 6, "norm_output": False, "supervised": supervised, "epochs": 2}
    folder = run_in_process("fourier", **keys)
    assert [step for step, _ in values_of(folder, "retrieval/MAP@1")] == [0, 2, 4]
    assert len(fits) == 2 and not torch.equal(*fits)
    assert torch.equal(load(folder / "last.pt")["network"]["fourier.frequencies"], fits[1])
    embeddings = trained_network(folder / "last.pt")(torch.randint(1, 200, (9, 3, 16, 16), dtype=torch.uint8))
    assert embeddings.shape == (9, 14) and embeddings[:, 8:].std(0).min() > 0


def test_they_are_fitted_where_nothing_is_scored(workplace, no_figures, monkeypatch):
    monkeypatch.setattr(common_axes, "MAX_PAIRS", PAIRS)
    folder = run_in_process("unscored", **UNLABELLED, output_size=14, fourier_features=6, norm_output=False, epochs=1)
    assert load(folder / "last.pt")["network"]["fourier.frequencies"].abs().max() > 0


@pytest.mark.parametrize(
    "training",
    [
        {"loss": "tripletloss", "mining": ["RANDOM_HARD_POSITIVE", "RANDOM_HARD_NEGATIVE"]},
        {"loss": "quadrupletloss", "mining": ["HARD_NEGATIVE"]},
        {"loss": "magnetloss", "supervised": True},
    ],
    ids=lambda training: training["loss"],
)
def test_evaluations_do_not_move_a_training(workplace, no_figures, monkeypatch, training):
    """What training sees in evaluation mode holds no Fourier features, which are those of the last evaluation."""
    monkeypatch.setattr(common_axes, "MAX_PAIRS", PAIRS)
    keys = training | {"output_size": 14, "fourier_features": 6, "epochs": 3}
    often, once = (run_in_process(f"every_{epochs}", **keys, evaluate_every=epochs) for epochs in (1, 3))
    weights, others = (load(folder / "last.pt")["network"] for folder in (often, once))
    assert all(torch.equal(weights[name], others[name]) for name in weights)
