"""The projection head: layers between an embedding and the loss, which are dropped after training."""

from collections.abc import Sequence

from torch import nn


def projection_head(width: int, widths: Sequence[int]) -> nn.Sequential:
    """Return a projection head: batch norm and ReLU before each linear layer, none after the last.

    What the loss makes of its input is less useful elsewhere than what came before it (Chen et al. 2020,
    arXiv:2002.05709, section 4.2). With losses that decorrelate dimensions this keeps the embedding's own free.

    Args:
        width: D, length of an embedding
        widths: outputs of each linear layer, at least one
    """
    layers: list[nn.Module] = []
    for before, after in zip([width, *widths[:-1]], widths):
        layers += [nn.BatchNorm1d(before), nn.ReLU(), nn.Linear(before, after)]
    return nn.Sequential(*layers)
