"""Forward passes of a step: which of them train the batch norm, and which leave something for a backward pass."""

import numpy as np
import pytest
import torch
from torch import nn

from config import validate
from dataProcessors.sampling.batches import Batch
from training.execution.device import Execution
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
