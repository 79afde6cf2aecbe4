"""Batch-norm statistics of a network that was not trained."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@torch.no_grad()
def estimate_batchnorm_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the running mean and variance of every batch norm to their average over the batches.

    A fresh network normalises with mean 0 and variance 1, which its activations do not have: without this step the
    untrained baseline would be worse than random weights are. A network without batch norm is left
    alone, the batches unread.

    Args:
        network: changed in place; its modes (training or evaluation) and momenta are as before afterwards
        batches: tiles as the network takes them, batches of more than one tile, all about equally large
    Raises:
        ValueError: there is no batch
    """
    norms = [module for module in network.modules() if isinstance(module, BATCH_NORMS)]
    if not norms:
        return
    modes = [(module, module.training) for module in network.modules()]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the average of all batches instead of a moving one
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
