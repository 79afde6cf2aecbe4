"""Principal components of the head's further inputs: the part of an embedding that no training changes."""

import torch
from torch import Tensor, nn

from config import UserError

MIN_DEVIATION = 1e-6  # a component that varies less is a constant: dividing by its deviation would only enlarge noise
SEED = 0  # of the rotation


class PrincipalComponents(nn.Module):
    """Features -> their first principal components, rotated at random among themselves, each of deviation 1.

    A loss without labels keeps what two near tiles have in common and may give up the rest, which a classifier can
    need. The first components hold most of what the features hold. Scaled to one deviation each, as whitening does,
    the many components of small variance would be most of a distance; unscaled, the first few would. After a random
    rotation all of them vary about equally, distances are those of the components, and a linear model reads the same.

    Args:
        num_features: F, length of a feature vector
        number: K, of components
    Raises:
        UserError: there are fewer features than components
    """

    axes: Tensor
    offset: Tensor

    def __init__(self, num_features: int, number: int):
        super().__init__()
        if number > num_features:
            raise UserError(
                f"'principal_components' must be at most {num_features}, the number of features that 'head_inputs' "
                f"make of this map. Got {number}."
            )
        self.number = number
        self.register_buffer("axes", torch.zeros(num_features, number))
        self.register_buffer("offset", torch.zeros(number))

    @torch.no_grad()
    def fit(self, features: Tensor) -> "PrincipalComponents":
        """Set the axes from the features (N, F) of a sample of more tiles than components."""
        exact = features.double()
        mean = exact.mean(0)
        axes = principal_axes(exact - mean, self.number) @ random_rotation(self.number)  # (F, K)
        deviation = ((exact - mean) @ axes).std(0, correction=0)
        axes = axes / torch.where(deviation > MIN_DEVIATION, deviation, 1.0)
        self.axes, self.offset = axes.float(), (mean @ axes).float()
        return self

    def forward(self, features: Tensor) -> Tensor:
        """Return the components (N, K) float32 of features (N, F)."""
        return features @ self.axes - self.offset


def principal_axes(centred: Tensor, number: int) -> Tensor:
    """Return the directions (F, K) in which rows (N, F) of mean 0 vary most, one a column, the largest variance first.

    An axis and its opposite are the same; the one is taken whose largest coordinate is positive.
    """
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, :number]
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))  # (1, K)
    return axes * torch.where(largest < 0, -1.0, 1.0)


def random_rotation(size: int, seed: int = SEED) -> Tensor:
    """Return an orthogonal matrix (size, size) float64, uniformly distributed over the seeds.

    Q of a gaussian matrix's QR decomposition, made unique by a positive diagonal of R (Mezzadri 2007,
    arXiv:math-ph/0609050).
    """
    gaussian = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    return q * torch.where(r.diagonal() < 0, -1.0, 1.0)
