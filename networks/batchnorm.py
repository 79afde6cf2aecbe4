"""Batch-norm statistics: of an untrained network, and of one that several processes train."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@torch.no_grad()
def estimate_batchnorm_statistics(network: nn.Module, batches: Iterable[Tensor], part: nn.Module | None = None) -> None:
    """Set the running mean and variance of every batch norm to their average over the batches.

    A new network normalises with mean 0 and variance 1, which do not fit its activations: without this step the
    untrained baseline would score lower than random weights should. A network without batch norm is not changed, and
    the batches are not read.

    Args:
        network: changed in place; its modes (training or evaluation) and momenta are restored
        batches: tiles as the network takes them, in batches of more than one tile and about equal size
        part: module of the network whose batch norms are set, such as a new head on pretrained weights; None: all
    Raises:
        ValueError: there is no batch
    """
    norms = [module for module in (part or network).modules() if isinstance(module, BATCH_NORMS)]
    if not norms:
        return
    modes = [(module, module.training) for module in network.modules()]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches instead of a moving average
        norm.training = True
    try:
        number = sum(1 for _ in map(network, batches))
    finally:
        for module, training in modes:
            module.training = training
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
    if not number:
        raise ValueError("estimate_batchnorm_statistics got no batch to estimate from.")


def local_statistics(network: nn.Module) -> list[Tensor]:
    """Return the running mean and variance of every batch norm that this process alone updates in training mode.

    Those of frozen parts do not change, and those of SyncBatchNorm are equal in all processes.
    """
    norms = [module for module in network.modules() if isinstance(module, BATCH_NORMS)]
    updated = [norm for norm in norms if norm.training and not isinstance(norm, nn.SyncBatchNorm)]
    statistics = [each for norm in updated for each in (norm.running_mean, norm.running_var)]
    return [each for each in statistics if each is not None]
