"""The layers after a backbone: the head, which makes the embedding, and the projection head, dropped after training."""

from collections.abc import Sequence

from torch import nn


def embedding_head(width: int, hidden: Sequence[int], output_size: int, standardised: bool = False) -> nn.Module:
    """Return the layers from features to embeddings: hidden layers with batch norm and ReLU, then a linear layer.

    Args:
        width: number of features
        hidden: widths of the hidden layers; (): a linear layer alone
        output_size: D, length of an embedding
        standardised: a batch norm at the end gives every dimension mean 0 and deviation 1
    """
    layers: list[nn.Module] = []
    for before, after in zip([width, *hidden], hidden):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    layers.append(nn.Linear([width, *hidden][-1], output_size))
    if standardised:
        layers.append(nn.BatchNorm1d(output_size, affine=False))
    return nn.Sequential(*layers) if len(layers) > 1 else layers[0]


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
