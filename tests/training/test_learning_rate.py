"""Learning rates over a run, and weight decay."""

import math
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch import nn

from config import Config, validate
from training.learning_rate import SCHEDULES, learning_rate
from training.trainer import make_optimizer

MINIMAL = {"network": "test_resnet", "loss": "tripletloss", "validation_map": "osm", "learning_rate": 0.5}


def rates(**values):
    config = validate(MINIMAL | values)
    return [learning_rate(config, step) for step in range(1, config.epochs * config.iterations + 1)]


def test_names_are_those_of_the_config():
    assert set(get_args(Config.model_fields["schedule"].annotation)) == set(SCHEDULES)


def test_constant():
    assert set(rates(epochs=2, iterations=5)) == {0.5}


def test_cosine_rises_for_a_twentieth_and_falls_to_almost_0():
    found = rates(epochs=4, iterations=50, schedule="cosine")
    top = found.index(max(found))
    assert top in (9, 10) and found[:top] == sorted(found[:top]) and found[top:] == sorted(found[top:], reverse=True)
    assert found[0] == pytest.approx(0.5 * 0.05) and 0 < found[-1] < 1e-4 and max(found) <= 0.5
    middle = 10 + 95  # half of the cosine
    assert found[middle] == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_short_runs_have_a_rate_in_every_step(steps):
    assert all(0 < rate <= 0.5 and math.isfinite(rate) for rate in rates(epochs=1, iterations=steps, schedule="cosine"))


def one_step(weight_decay):
    layer = nn.Linear(2, 1, bias=False)
    nn.init.ones_(layer.weight)
    execution = SimpleNamespace(device=torch.device("cpu"))
    optimizer = make_optimizer(validate(MINIMAL | {"weight_decay": weight_decay}), layer, execution)
    layer(torch.tensor([[1.0, 0.0]])).sum().backward()
    optimizer.step()
    return layer.weight.detach()[0]


def test_weight_decay_shrinks_weights_beside_the_gradient():
    """The second weight has no gradient: it only decays."""
    without, with_decay = one_step(0), one_step(0.1)
    assert without[1] == 1
    torch.testing.assert_close(with_decay, without - 0.5 * 0.1)


def test_without_decay_the_optimizer_is_adam():
    torch.manual_seed(0)
    layers = [nn.Linear(4, 3) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    execution = SimpleNamespace(device=torch.device("cpu"))
    adam = torch.optim.Adam(layers[0].parameters(), lr=0.5)
    for layer, optimizer in zip(layers, [adam, make_optimizer(validate(MINIMAL), layers[1], execution)]):
        for seed in range(5):
            torch.manual_seed(seed)
            optimizer.zero_grad()
            layer(torch.randn(6, 4)).square().mean().backward()
            optimizer.step()
    assert torch.equal(layers[0].weight, layers[1].weight)
