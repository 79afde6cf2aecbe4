"""Features of a tile that no training changes, as further inputs of the head, which makes the embedding."""

from collections.abc import Callable, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from networks.normalise import Normalise, has_data
from networks.random_convolutions import RandomConvolutions

MIN_DEVIATION = 1e-6  # a feature that varies less is a constant: dividing by its deviation would only enlarge noise
TILES_AT_ONCE = 64


class BandStatistics(nn.Module):
    """Tiles -> mean, deviation, minimum and maximum of each band over the pixels with data.

    A network normalises the level of its input away, layer after layer; land cover is often read from the level.

    Args:
        offset, scale: (C,) that give every band mean 0 and deviation 1

    Attributes:
        num_features: 4 C, length of a feature vector
    """

    def __init__(self, offset: ArrayLike, scale: ArrayLike):
        super().__init__()
        self.normalisation = Normalise(offset, scale)
        self.num_features = 4 * len(self.normalisation.offset)

    def forward(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """Return the features (N, 4 C) float32 of tiles (N, C, H, W); zeros for a tile without data.

        Args:
            tiles: of any dtype, also with a further channel, the validity
            valid: (N, H, W) bool, where a pixel holds data
        """
        pixels = self.normalisation(tiles, valid)  # (N, C, H, W), 0 where there is no data
        valid = valid[:, None]
        number = valid.sum((2, 3))  # (N, 1)
        mean = pixels.sum((2, 3)) / number.clamp(min=1)  # (N, C)
        away = (pixels - mean[..., None, None]).masked_fill(~valid, 0.0)
        deviation = (away.square().sum((2, 3)) / number.clamp(min=1)).sqrt()
        lowest = pixels.masked_fill(~valid, torch.inf).amin((2, 3))
        highest = pixels.masked_fill(~valid, -torch.inf).amax((2, 3))
        return torch.cat([mean, deviation, lowest, highest], 1).masked_fill(number == 0, 0.0)


HeadInput = BandStatistics | RandomConvolutions
# name in the config -> module (tiles, valid) -> features; config.types has the same names
HEAD_INPUTS: dict[str, Callable[[ArrayLike, ArrayLike], HeadInput]] = {
    "band_statistics": BandStatistics,
    "random_convolutions": RandomConvolutions,
}


class HeadInputs(nn.Module):
    """Tiles -> the features of several modules side by side, each feature with mean 0 and deviation 1 over a sample.

    Args:
        names: of HEAD_INPUTS
        offset, scale: (C,) that give every band mean 0 and deviation 1

    Attributes:
        num_features: F, length of a feature vector
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, names: Sequence[str], offset: ArrayLike, scale: ArrayLike):
        super().__init__()
        self.normalisation = Normalise(offset, scale)
        parts = {name: HEAD_INPUTS[name](offset, scale) for name in names}
        self.parts = nn.ModuleDict(parts)
        self.num_features = sum(part.num_features for part in parts.values())
        self.register_buffer("mean", torch.zeros(self.num_features))
        self.register_buffer("deviation", torch.ones(self.num_features))

    @torch.no_grad()
    def fit(self, tiles: Tensor) -> "HeadInputs":
        """Set mean and deviation of the features from a sample of tiles (N, C, H, W), with validity where there is."""
        valid = has_data(tiles, self.normalisation.masked(tiles)[1])
        parts = zip(tiles.split(TILES_AT_ONCE), valid.split(TILES_AT_ONCE))
        features = torch.cat([self._features(*part) for part in parts])
        self.mean = features.mean(0)
        deviation = features.std(0, correction=0)
        self.deviation = torch.where(deviation > MIN_DEVIATION, deviation, 1.0)
        return self

    def forward(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """Return the features (N, F) float32 of tiles (N, C, H, W); valid: (N, H, W) bool, where a pixel holds data."""
        return (self._features(tiles, valid) - self.mean) / self.deviation

    def _features(self, tiles: Tensor, valid: Tensor) -> Tensor:
        return torch.cat([part(tiles, valid) for part in self.parts.values()], 1)
