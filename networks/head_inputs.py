"""Features of a tile that no training changes, as further inputs of the head, which makes the embedding."""

from collections.abc import Callable, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from networks.common_axes import MIN_DEVIATION, common_axes, number_of_pairs, standardised
from networks.normalise import Normalise, has_data
from networks.random_convolutions import RandomConvolutions

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

    Coordinates along the axes of their minimum noise fraction transform may follow, see networks.common_axes. Most
    features of a tile say nearly the same. Of what differs between them, little would be learned in a short training;
    along these axes it is as large as it says about the land.

    Args:
        names: of HEAD_INPUTS
        offset, scale: (C,) that give every band mean 0 and deviation 1
        axes: A, how many coordinates follow; no more than there are features

    Attributes:
        num_features: F + A, length of a feature vector
        num_pairs: of near tiles, to fit the axes to; 0: there are no axes
    """

    mean: Tensor
    deviation: Tensor
    axes: Tensor

    def __init__(self, names: Sequence[str], offset: ArrayLike, scale: ArrayLike, axes: int = 0):
        super().__init__()
        self.normalisation = Normalise(offset, scale)
        parts = {name: HEAD_INPUTS[name](offset, scale) for name in names}
        self.parts = nn.ModuleDict(parts)
        features = sum(part.num_features for part in parts.values())
        axes = min(axes, features)
        self.num_features, self.num_pairs = features + axes, number_of_pairs(features) if axes else 0
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.register_buffer("axes", torch.zeros(features, axes) if axes else None)  # no entry among the weights

    @torch.no_grad()
    def fit(self, tiles: Tensor) -> "HeadInputs":
        """Set mean and deviation of the features from a sample of tiles (N, C, H, W), with validity where there is."""
        features = self._of_sample(self._features, tiles)
        self.mean = features.mean(0)
        deviation = features.std(0, correction=0)
        self.deviation = torch.where(deviation > MIN_DEVIATION, deviation, 1.0)
        return self

    @torch.no_grad()
    def fit_axes(self, anchors: Tensor, positives: Tensor) -> "HeadInputs":
        """Set the axes from what `of_sample` returns (N, F) for pairs of near tiles."""
        pairs, _, deviation = standardised(anchors, positives)
        axes = common_axes(pairs, self.axes.shape[1])  # (F, A)
        variance = (pairs @ axes).var(0, correction=0).sum()
        axes *= (len(axes) / variance.clamp(min=MIN_DEVIATION)).sqrt()  # together they vary as much as the features
        self.axes = (axes / deviation[:, None]).float()
        return self

    @torch.no_grad()
    def of_sample(self, tiles: Tensor) -> Tensor:
        """Return the features (N, F) of tiles (N, C, H, W) with validity where there is, without what follows them."""
        return self._of_sample(self._standardised, tiles)

    def forward(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """Return the features (N, F + A) float32 of tiles (N, C, H, W).

        Args:
            tiles: of any dtype, also with a further channel, the validity
            valid: (N, H, W) bool, where a pixel holds data
        """
        features = self._standardised(tiles, valid)
        return features if self.axes is None else torch.cat([features, features @ self.axes], 1)

    def _of_sample(self, features: Callable[[Tensor, Tensor], Tensor], tiles: Tensor) -> Tensor:
        """Return what `features` makes of many tiles and where they hold data, a few at a time."""
        valid = has_data(tiles, self.normalisation.masked(tiles)[1])
        return torch.cat([features(*part) for part in zip(tiles.split(TILES_AT_ONCE), valid.split(TILES_AT_ONCE))])

    def _standardised(self, tiles: Tensor, valid: Tensor) -> Tensor:
        return (self._features(tiles, valid) - self.mean) / self.deviation

    def _features(self, tiles: Tensor, valid: Tensor) -> Tensor:
        return torch.cat([part(tiles, valid) for part in self.parts.values()], 1)
