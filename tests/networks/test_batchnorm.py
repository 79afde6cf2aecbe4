"""Batch-norm statistics that are estimated after the training."""

import numpy as np
import pytest
import torch
from embedders_for_tests import raw_tiles, rng, small
from torch import nn

from networks import estimate_batchnorm_statistics


class OneNorm(nn.Module):
    """Batch norm right at the input, so that its statistics are the tiles' own; and a layer whose mode must stay."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2, momentum=0.3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, tiles):
        assert not self.dropout.training
        return self.dropout(self.norm(tiles))


def test_batchnorm_statistics_are_the_average_over_the_batches():
    batches = [torch.from_numpy(rng(k).normal(k, 1 + k, (8, 2, 3, 3)).astype(np.float32)) for k in range(3)]
    network = OneNorm()
    network.norm.running_mean.fill_(50.0)
    network.norm.eval()
    estimate_batchnorm_statistics(network, batches)
    for band in range(2):
        values = [batch[:, band].numpy().astype(float).ravel() for batch in batches]
        assert network.norm.running_mean[band].item() == pytest.approx(np.mean([v.mean() for v in values]), rel=1e-5)
        variance = np.mean([v.var(ddof=1) for v in values])
        assert network.norm.running_var[band].item() == pytest.approx(variance, rel=1e-5)
    assert (network.training, network.norm.training, network.dropout.training) == (True, False, True)
    assert network.norm.momentum == 0.3
    assert network.norm.weight.grad is None


def test_batchnorm_statistics_make_an_untrained_network_behave_as_in_training():
    tiles = raw_tiles(16, 3, 32)
    network = small(norm_output=False)
    in_training = network.train()(tiles)
    network.eval()
    far = (network(tiles) - in_training).abs().max()
    estimate_batchnorm_statistics(network, [tiles])
    assert (network(tiles) - in_training).abs().max() < 0.2 * far
    assert not any(module.training for module in network.modules())


def test_networks_without_batchnorm_are_left_alone_and_no_batch_is_an_error():
    def unread():
        raise AssertionError("read")
        yield

    transformer = small(name="transformer", size=16)
    before = {name: values.clone() for name, values in transformer.state_dict().items()}
    estimate_batchnorm_statistics(transformer, unread())
    assert all(torch.equal(before[name], values) for name, values in transformer.state_dict().items())
    network = OneNorm()
    with pytest.raises(ValueError, match="no batch"):
        estimate_batchnorm_statistics(network, [])
    with pytest.raises(AssertionError, match="read"):
        estimate_batchnorm_statistics(network, unread())
    assert (network.training, network.norm.training, network.norm.momentum) == (True, True, 0.3)
