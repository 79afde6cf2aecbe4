"""Random Fourier features of what near tiles have in common: a part of an embedding that is fitted in closed form."""

import torch
from torch import Tensor, nn

MIN_DEVIATION = 1e-6  # a feature that varies less is a constant: dividing by its deviation would only enlarge noise
AXES = 256  # at most; those that follow hold little that near tiles have in common
RIDGE = 0.01  # added to the variance of each feature, 1: directions in which a sample hardly varies are not known
MAX_SHARE = 0.999  # of an axis' variance that near tiles have in common; its weight would be infinite at 1
SEED = 0  # of the frequencies


class FourierFeatures(nn.Module):
    """Features -> cosines and sines of random mixtures of those of their parts that near tiles have in common.

    Near tiles mostly show the same land, so what differs between them is mostly noise. The minimum noise fraction
    transform (Green et al. 1988, doi 10.1109/36.3001; of features here, not of pixels) finds the axes z_k whose
    variance near tiles have in common to the largest shares r_k. Along an axis, a distance counts as much as signal is
    larger than noise: z_k is scaled to the variance r_k / (1 - r_k). Random Fourier features (Rahimi & Recht 2007)
    follow: their inner products, divided by their number, are about

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

    @torch.no_grad()
    def fit(self, anchors: Tensor, positives: Tensor) -> "FourierFeatures":
        """Set the frequencies from the features (N, F) of pairs of near tiles."""
        exact = torch.cat([anchors, positives]).double()
        mean, deviation = exact.mean(0), exact.std(0, correction=0)
        deviation = torch.where(deviation > MIN_DEVIATION, deviation, 1.0)
        exact = (exact - mean) / deviation
        axes = common_axes(*exact.chunk(2))  # (F, A)
        variance = (exact @ axes).var(0, correction=0).sum()  # half of the mean squared distance
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


def common_axes(anchors: Tensor, positives: Tensor) -> Tensor:
    """Return the axes (F, A) along which near tiles have most in common, the most first, scaled as described above.

    Args:
        anchors, positives: (N, F) float64 features of pairs, which have mean 0 and deviation 1 together
    """
    pairs = 2 * len(anchors)
    variances = (anchors.T @ anchors + positives.T @ positives) / pairs
    common = (anchors.T @ positives + positives.T @ anchors) / pairs
    extents, directions = torch.linalg.eigh(variances + RIDGE * torch.eye(len(variances)).to(variances))
    whitening = directions / extents.sqrt()  # (F, F)
    shares, axes = torch.linalg.eigh(whitening.T @ common @ whitening)
    shares = shares.flip(0)[:AXES].clamp(0, MAX_SHARE)
    return whitening @ axes.flip(1)[:, :AXES] * (shares / (1 - shares)).sqrt()


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
