"""Forward passes of a step: which of them train the batch norm, and which leave something for a backward pass."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from together_for_tests import together
from torch import nn

from config import validate
from dataProcessors.sampling.batch import Batch
from networks import Architecture, HeadInputs, Normalise, build
from training.execution.device import Execution
from training.execution.processes import Processes
from training.forward import ForwardPass, has_unused_weights

CONFIG = {"network": "test_resnet", "loss": "tripletloss", "validation_map": "osm", "device": "cpu"}


class FromPixels(nn.Module):
    """uint8 -> float32."""

    def forward(self, pixels):
        """(N, C, H, W)."""
        return pixels.float()


@pytest.fixture
def network() -> nn.Module:
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(FromPixels(), *layers)


@pytest.fixture
def forward(network) -> ForwardPass:
    return ForwardPass(validate(CONFIG), network, Execution(torch.device("cpu"), 1, "fp32", False), None)


def tiles(number: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (number, 3, 8, 8), dtype=np.uint8)


def batches_counted(network: nn.Module) -> int:
    """How many batches the batch norm has taken statistics of."""
    return int(network[2].num_batches_tracked)


def test_a_batch_is_embedded_in_training_mode_with_gradient(network, forward):
    embeddings = forward.embed_functions(1).train(Batch(1, np.zeros((4, 2), int), tiles(4), {}))
    assert embeddings.requires_grad and batches_counted(network) == 1


def test_candidates_are_embedded_in_evaluation_mode_without_gradient(network, forward):
    embeddings = forward.embed_functions(1).no_grad(tiles(4))
    assert embeddings.shape == (4, 4) and not embeddings.requires_grad and batches_counted(network) == 0


def test_few_tiles_are_embedded_in_evaluation_mode_with_gradient(network, forward):
    embeddings = forward.embed_functions(1).eval_with_grad(tiles(1))
    assert embeddings.requires_grad and batches_counted(network) == 0


def test_weights_that_take_no_part_are_found(network):
    """DistributedDataParallel waits for the gradients of all weights, unless it is told that some have none."""
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not has_unused_weights(network, torch.from_numpy(tiles(2)))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    network.apart = nn.Linear(2, 2)
    network.forward = nn.Sequential(*list(network)[:-1]).forward
    assert has_unused_weights(network, torch.from_numpy(tiles(2)))


def network_of_a_process(processes: Processes) -> dict[str, dict]:
    """Weights and buffers of a network before and after a process shares it, with head inputs that no other has."""
    offset, scale = np.full(3, 100.0), np.full(3, 0.02)
    own = torch.Generator().manual_seed(processes.share.rank)
    inputs = HeadInputs(("band_statistics",), offset, scale, axes=4)
    inputs.mean, inputs.axes = (torch.rand(each.shape, generator=own) for each in (inputs.mean, inputs.axes))
    network = build(Architecture("test_resnet", 3, 16, 8, False), Normalise(offset, scale), 0, head_inputs=inputs)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    area = SimpleNamespace(draw=lambda number, _: range(number))
    maps = SimpleNamespace(area=area, read=lambda positions: tiles(len(positions)))
    ForwardPass(validate(CONFIG), network, Execution(torch.device("cpu"), 1, "fp32", False), maps, processes)
    return {"before": before, "after": network.state_dict()}


def test_of_several_processes_the_first_ones_head_inputs_are_everybodys(tmp_path):
    """Each fits mean and axes for itself, and on different processors they come out a little different."""
    first, second = together((2,), network_of_a_process, tmp_path)[2]
    for name in ("head_inputs.mean", "head_inputs.axes"):
        assert not torch.equal(first["before"][name], second["before"][name]), name
    for name, value in first["before"].items():
        assert torch.equal(second["after"][name], value) and torch.equal(first["after"][name], value), name
