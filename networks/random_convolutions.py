"""Random convolutional features of tiles: what a network of one layer sees that is never trained."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import unfold

from networks.normalise import Normalise, has_data

FILTERS, SIDE, BIAS, SEED = 512, 3, 1.0, 0
MIN_FILTERS_AT_ONCE = 16
MAX_RESPONSES = {"cpu": 2**17}  # values at once: they stay in the cache of a core, which is twice as fast
MAX_RESPONSES_ELSEWHERE = 2**26


class RandomConvolutions(nn.Module):
    """Tiles -> mean of relu(x - 1) and of relu(-x - 1) over the pixels with data, x the response to a gaussian filter.

    After MOSAIKS (Rolf et al. 2021, A generalizable and accessible approach to machine learning with global satellite
    imagery, doi 10.1038/s41467-021-24638-z). MOSAIKS takes whitened patches of the images as filters, and a bias of 0;
    gaussian filters and a bias, as in torchgeo's RCF, need no images and keep brightness. RCF's second half is
    relu(-(x + b)) with the bias b of the first half, -1; here both halves are cut off on their own side.

    The filters, 3 x 3 over all bands, are drawn from the standard normal distribution and not scaled: on a Landsat
    scene of four bands, linear models made less error with it than with filters that were divided by the root of the
    number of their weights, or by half of that. Responses are taken where the whole filter lies in the tile.

    Args:
        offset, scale: (C,) that give every band mean 0 and deviation 1
        filters: F, number of filters
        seed: of the filters

    Attributes:
        num_features: 2 F, length of a feature vector
    """

    weight: Tensor

    def __init__(self, offset: ArrayLike, scale: ArrayLike, filters: int = FILTERS, seed: int = SEED):
        super().__init__()
        self.normalisation = Normalise(offset, scale)
        generator = torch.Generator().manual_seed(seed)
        shape = filters, len(self.normalisation.offset), SIDE, SIDE
        self.register_buffer("weight", torch.randn(shape, generator=generator))
        self.num_features = 2 * filters

    def forward(self, tiles: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the features (N, 2 F) float32 of tiles; zeros for a tile without data.

        Args:
            tiles: (N, C, H, W) of any dtype, or (N, C + 1, H, W) with the validity, see `Normalise.forward`; H, W >= 3
            valid: (N, H, W), not 0 where a pixel holds data; None: as the tiles say
        """
        normalised, masks = self.normalisation.masked(tiles, valid)
        shares = has_data(tiles, masks)[:, 1:-1, 1:-1].flatten(1).float()  # (N, h w): of the middles of the filters
        shares = shares / shares.sum(1, keepdim=True).clamp(min=1)
        most, size = MAX_RESPONSES.get(tiles.device.type, MAX_RESPONSES_ELSEWHERE), max(shares.shape[1], 1)
        filters = min(len(self.weight), max(MIN_FILTERS_AT_ONCE, most // size))
        step = max(1, most // (size * max(filters, self.weight[0].numel())))
        with torch.autocast(tiles.device.type, enabled=False):
            parts = [self._pooled(*part, filters) for part in zip(normalised.split(step), shares.split(step))]
        return torch.cat(parts)

    def _pooled(self, pixels: Tensor, shares: Tensor, filters: int) -> Tensor:
        """Return features (n, 2 F). pixels: (n, C, H, W); shares: (n, h w), of each response in the mean.

        The convolution is a product of two matrices: with 3 x 3 pixels of few bands, twice as fast as `conv2d`.
        """
        patches = unfold(pixels, SIDE).transpose(0, 1).flatten(1)  # (C 3 3, n h w)
        above, below, total = [], [], shares.sum(1, keepdim=True)  # 1, or 0 without data
        for weight in self.weight.flatten(1).split(filters):
            responses = (weight @ patches).unflatten(1, shares.shape).transpose(0, 1)  # (n, f, h w)
            # the mean of relu(x - b) is that of max(x, b), less b: one pass less over the responses
            above.append(torch.bmm(responses.clamp(min=BIAS), shares[..., None])[..., 0] - BIAS * total)
            below.append(-torch.bmm(responses.clamp_(max=-BIAS), shares[..., None])[..., 0] - BIAS * total)
        return torch.cat(above + below, 1).clamp_(min=0)
