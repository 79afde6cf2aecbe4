"""The minimum noise fraction transform of features: the axes along which near tiles have most in common."""

import torch
from torch import Tensor

MIN_DEVIATION = 1e-6  # a feature that varies less is a constant: dividing by its deviation would only enlarge noise
RIDGE = 0.01  # added to the variance of each feature, 1: directions in which a sample hardly varies are not known
MAX_SHARE = 0.999  # of an axis' variance that near tiles have in common; its weight would be infinite at 1
PAIRS_PER_FEATURE, MAX_PAIRS = 8, 8192  # of near tiles, to fit axes to


def number_of_pairs(num_features: int) -> int:
    """Return how many pairs of near tiles the axes of so many features need."""
    return min(PAIRS_PER_FEATURE * num_features, MAX_PAIRS)


def standardised(anchors: Tensor, positives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return features (N, F) of pairs, one below the other with mean 0 and deviation 1 (2 N, F), and both (F,).

    All float64. A feature that does not vary has the deviation 1.
    """
    exact = torch.cat([anchors, positives]).double()
    mean, deviation = exact.mean(0), exact.std(0, correction=0)
    deviation = torch.where(deviation > MIN_DEVIATION, deviation, 1.0)
    return (exact - mean) / deviation, mean, deviation


def common_axes(pairs: Tensor, number: int) -> Tensor:
    """Return the axes (F, A) along which the tiles of pairs have the largest shares of variance in common, A <= number.

    Near tiles mostly show the same land, so what differs between them is mostly noise. The minimum noise fraction
    transform (Green et al. 1988, doi 10.1109/36.3001) orders axes by signal over noise; it is known of the pixels of
    an image, and here of features. An axis whose variance the tiles of a pair have in common to the share r gets the
    variance r / (1 - r), signal over noise: a distance along it counts as much as it says about the land.

    An axis and its opposite are the same; the one is taken whose largest coordinate is positive.

    Args:
        pairs: (2 N, F) features of the anchors and, in their order, of the positives, as `standardised` returns them
        number: of axes, at most; there are no more than F
    """
    anchors, positives = pairs.chunk(2)
    variances = pairs.T @ pairs / len(pairs)
    common = (anchors.T @ positives + positives.T @ anchors) / len(pairs)
    extents, directions = torch.linalg.eigh(variances + RIDGE * torch.eye(len(variances)).to(variances))
    whitening = directions / extents.sqrt()  # (F, F)
    shares, axes = torch.linalg.eigh(whitening.T @ common @ whitening)
    shares, axes = shares.flip(0)[:number].clamp(0, MAX_SHARE), whitening @ axes.flip(1)[:, :number]
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))  # (1, A)
    return axes * torch.where(largest < 0, -1.0, 1.0) * (shares / (1 - shares)).sqrt()
