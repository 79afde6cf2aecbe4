"""Batch norm over the tiles of all processes, as far as CPUs can show it: what is converted, and what stays."""

import pytest
import torch
from torch import nn

from assembly import join_batch_norm
from dataProcessors.sampling.share import Share
from networks import Architecture, Normalise, build, local_statistics
from training.execution.device import Execution
from training.execution.processes import ALONE, Processes

TILES = torch.randint(0, 255, (3, 4, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)  # SyncBatchNorm is none of them


def of_four_bands(name, **settings):
    return build(Architecture(name, 4, 32, 8, True, **settings), Normalise([127.5] * 4, [1 / 127.5] * 4), 0)


def norms(network, kinds):
    return {name for name, module in network.named_modules() if isinstance(module, kinds)}


def two_processes():
    return Processes(Share(0, 2), 0, 2, torch.distributed.HashStore(), "here")


@pytest.mark.parametrize("name", ["test_resnet", "efficientnet_b0"])  # the latter has norms with an activation
def test_every_batch_norm_is_converted_and_embeds_as_before(name):
    network = of_four_bands(name, head_layers=[16])
    network(TILES)  # moves the running statistics
    before, state = norms(network, PLAIN), {key: value.clone() for key, value in network.state_dict().items()}
    embeddings = network.eval()(TILES)
    network.synchronise_batch_norm()
    assert norms(network, nn.SyncBatchNorm) == before and not norms(network, PLAIN)
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    torch.testing.assert_close(network(TILES), embeddings)


def test_frozen_parts_keep_their_statistics_after_it():
    network = of_four_bands("test_resnet", freeze=2)
    network.synchronise_batch_norm()
    network.train(False).train()
    trained = {name for name in norms(network, nn.SyncBatchNorm) if network.get_submodule(name).training}
    assert trained and all(name.startswith(("backbone.layer3", "backbone.layer4")) for name in trained)


def test_synchronised_statistics_are_not_averaged_again():
    network = of_four_bands("test_resnet")
    assert len(local_statistics(network)) == 2 * len(norms(network, PLAIN)) > 0
    network.synchronise_batch_norm()
    assert not local_statistics(network)


def test_it_is_for_several_processes_on_gpus(caplog):
    on_gpu, on_cpu = (Execution(torch.device(device), 1, "fp32") for device in ("cuda", "cpu"))
    for execution, processes in ((on_gpu, ALONE), (on_cpu, ALONE), (on_cpu, two_processes())):
        network = of_four_bands("test_resnet")
        join_batch_norm(network, execution, processes)
        assert not norms(network, nn.SyncBatchNorm)
    assert caplog.text.count("batch norm takes its statistics from the tiles of one process") == 1
    join_batch_norm(network, on_gpu, two_processes())
    assert norms(network, nn.SyncBatchNorm)
