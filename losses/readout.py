"""How well a linear model, fitted on one half of a batch, reads targets from the embeddings of the other half."""

import torch
from torch import Tensor

from losses.distances import full_precision

PENALTY = 0.1  # of the ridge regression, times the mean squared length of the centred embeddings
SMALLEST = 1e-6  # added to a squared error before its root: the root's slope at 0 is infinite
MIN_LENGTH = 1e-12  # of collapsed embeddings, which have no direction


def readout_errors(embeddings: Tensor, targets: Tensor) -> Tensor:
    """Return the summed absolute error of the prediction of each tile's targets by a ridge regression.

    The regression that reads the first half of the batch is fitted on the second half, and the other way round, in
    closed form, so that gradients flow through the fit (Bertinetto et al. 2019, arXiv:1805.08136): the embedding learns
    to be read by linear models. For the half z with targets p, less their means, and n tiles in it:

        prediction of a tile with the embedding y:  y z^T (z z^T + 0.1 I)^-1 p + mean p

    Embeddings are centred on the batch's mean, and scaled so that their mean squared length is 1.

    Args:
        embeddings: (n, D)
        targets: (n, K), such as proportions
    Returns:
        (n,), float32 or wider
    Raises:
        ValueError: there is only one tile, or none: then nothing can be fitted
    """
    if len(embeddings) < 2:
        raise ValueError(f"A linear model of half a batch needs at least two tiles. Got {len(embeddings)} instead.")
    centred = full_precision(embeddings)
    centred = centred - centred.mean(0)
    centred = centred / (centred.square().sum(1).mean() + MIN_LENGTH).sqrt()
    targets, half = targets.to(centred), len(centred) // 2
    first, second = (centred[:half], targets[:half]), (centred[half:], targets[half:])
    predicted = torch.cat([_predict(*second, first[0]), _predict(*first, second[0])])
    return ((predicted - targets).square() + SMALLEST).sqrt().sum(1)


def _predict(fitted: Tensor, targets: Tensor, embeddings: Tensor) -> Tensor:
    """Return the targets (m, K) of embeddings (m, D) by the model that is fitted on n others (n, D), (n, K)."""
    mean = targets.mean(0)
    products = fitted @ fitted.T + PENALTY * torch.eye(len(fitted)).to(fitted)
    return embeddings @ (fitted.T @ torch.linalg.solve(products, targets - mean)) + mean
