"""Normalisation of pixel values to the input of a network."""

from collections.abc import Sequence
from functools import reduce

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

NodataRule = tuple[Sequence[float | None], bool]  # a value of each band, None: it has none; whether all must hold it


class Normalise(nn.Module):
    """(x - offset) * scale in each band, float32; a pixel without data becomes 0 in all bands.

    0 is the middle of the range. A pixel is without data where the validity says so, or any band is not finite. Where
    no validity is given, rules on values decide.

    Args:
        offset: (C,) floats; for uint8 colours 127.5
        scale: (C,) floats; for uint8 colours 1 / 127.5, which gives [-1, 1]
        nodata: rules for tiles without validity
    Raises:
        ValueError: offset and scale differ in length, or are not finite
    """

    offset: Tensor
    scale: Tensor
    nodata: Tensor

    def __init__(self, offset: ArrayLike, scale: ArrayLike, nodata: Sequence[NodataRule] = ()):
        super().__init__()
        self.register_buffer("offset", torch.as_tensor(offset, dtype=torch.float32).reshape(-1, 1, 1))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32).reshape(-1, 1, 1))
        if self.offset.shape != self.scale.shape or not (self.offset.isfinite() & self.scale.isfinite()).all():
            raise ValueError(
                "The 'offset' and 'scale' parameters of Normalise must be finite, a number for each band. "
                f"Got {self.offset.flatten().tolist()} and {self.scale.flatten().tolist()} instead."
            )
        values = [[float("nan") if v is None else v for v in row] for row, _ in nodata]  # NaN equals nothing
        rules = torch.tensor(values, dtype=torch.float32).reshape(len(nodata), *self.offset.shape)
        self.register_buffer("nodata", rules, persistent=False)  # (rules, C, 1, 1)
        self._in_all_bands = [in_all_bands for _, in_all_bands in nodata]

    def forward(self, tiles: Tensor, valid: Tensor | None = None) -> Tensor:
        """Normalise tiles -> (N, C, H, W) float32; see `masked`."""
        return self.masked(tiles, valid)[0]

    def masked(self, tiles: Tensor, valid: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """Return normalised tiles (N, C, H, W) float32, and masks (N, 1, H, W): data is where all of them hold.

        Args:
            tiles: (N, C, H, W) of any integer or floating dtype, or (N, C + 1, H, W) whose last channel is the validity
            valid: (N, H, W), not 0 where a pixel holds data; None: as the last channel says, else by the rules
        """
        bands = len(self.offset)
        last = tiles.is_contiguous(memory_format=torch.channels_last)
        pixels = tiles[:, :bands].to(
            torch.float32, memory_format=torch.channels_last if last else torch.contiguous_format
        )
        normalised = pixels.sub(self.offset).mul_(self.scale)  # in place from here on: allocating memory costs most
        if valid is not None:
            masks = [valid.ne(0).reshape(-1, 1, *tiles.shape[-2:])]
        elif tiles.shape[1] > bands:
            masks = [tiles[:, bands:].ne(0)]
        else:
            masks = [~rule for rule in self._marked(pixels, tiles.is_floating_point())]
        if tiles.is_floating_point():
            masks.append(normalised.isfinite().all(1, keepdim=True))
        for mask in masks:  # each (N, 1, H, W)
            normalised.masked_fill_(~mask, 0.0)
        return normalised, masks

    def _marked(self, pixels: Tensor, floating: bool) -> list[Tensor]:
        """Return where each rule marks pixels without data, (N, 1, H, W). Floats may differ a little, as in GDAL."""
        marked = []
        for values, in_all_bands in zip(self.nodata, self._in_all_bands):
            equal = pixels == values
            if floating:
                tolerance = 2 * torch.finfo(torch.float32).eps * (pixels + values).abs()
                equal |= (pixels - values).abs() < tolerance
            marked.append(equal.all(1, keepdim=True) if in_all_bands else equal.any(1, keepdim=True))
        return marked


def has_data(tiles: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """Return where all masks (N, 1, H, W) of `Normalise.masked` hold, (N, H, W) bool; without masks everywhere."""
    everywhere = torch.ones_like(tiles[:, :1], dtype=torch.bool)
    return reduce(torch.logical_and, masks, everywhere)[:, 0]
