"""Random Fourier features of what near tiles have in common: a part of an embedding that is fitted in closed form."""

import torch
from torch import Tensor, nn

from networks.common_axes import MIN_DEVIATION, common_axes, number_of_pairs, standardised

AXES = 256  # at most; those that follow hold little that near tiles have in common
SEED = 0  # of the frequencies


class FourierFeatures(nn.Module):
    """Features -> cosines and sines of random mixtures of those of their parts that near tiles have in common.

    Of the coordinates z along the axes of their minimum noise fraction transform, see networks.common_axes, these are
    random Fourier features (Rahimi & Recht 2007): their inner products, divided by their number, are about

        exp(-|z - z'|^2 / mean |z - z'|^2)

    so that a linear model of them reads what a kernel machine would read from z, and their distances grow with those of
    z. Until `fit` they are zeros.

    Args:
        num_features: F, length of a feature vector
        number: K, even, of Fourier features
    """

    frequencies: Tensor
    offset: Tensor
    amplitude: Tensor

    def __init__(self, num_features: int, number: int):
        super().__init__()
        self.number = number
        self.register_buffer("frequencies", torch.zeros(num_features, number // 2))
        self.register_buffer("offset", torch.zeros(number // 2))
        self.register_buffer("amplitude", torch.zeros(()))

    @property
    def num_pairs(self) -> int:
        """Number of pairs of near tiles to fit to."""
        return number_of_pairs(len(self.frequencies))

    @torch.no_grad()
    def fit(self, anchors: Tensor, positives: Tensor) -> "FourierFeatures":
        """Set the frequencies from the features (N, F) of pairs of near tiles."""
        pairs, mean, deviation = standardised(anchors, positives)
        axes = common_axes(pairs, AXES)  # (F, A)
        variance = (pairs @ axes).var(0, correction=0).sum()  # half of the mean squared distance
        frequencies = symmetric(axes) @ gaussian(len(axes), self.number // 2) / deviation[:, None]  # (F, K / 2)
        frequencies /= variance.clamp(min=MIN_DEVIATION).sqrt()
        self.frequencies.copy_(frequencies)
        self.offset.copy_(mean @ frequencies)
        self.amplitude.fill_(2**0.5)  # a deviation of about 1, like that of the learned dimensions
        return self

    def forward(self, features: Tensor) -> Tensor:
        """Return the Fourier features (N, K) float32 of features (N, F)."""
        phases = features @ self.frequencies - self.offset  # (N, K / 2)
        return self.amplitude * torch.cat([phases.cos(), phases.sin()], 1)


def symmetric(axes: Tensor) -> Tensor:
    """Return the symmetric matrix (F, F) that gives the same distances as axes (F, A).

    Axes of nearly equal shares turn with every rounding error. It does not, so that equal runs on other machines have
    nearly equal features.
    """
    left, extents, _ = torch.linalg.svd(axes, full_matrices=False)
    return left * extents @ left.T


def gaussian(*shape: int) -> Tensor:
    """Return float64 numbers of the standard normal distribution, always the same ones."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
