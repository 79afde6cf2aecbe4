"""Normalisation of pixel values to the input of a network."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn


class Normalise(nn.Module):
    """(x - offset) * scale in each band, float32; a nodata pixel becomes 0, the middle of the range, in all bands.

    A pixel is nodata where all its bands equal `fill`, or any band is not finite.

    Args:
        offset: (C,) floats; for uint8 colours 127.5
        scale: (C,) floats; for uint8 colours 1 / 127.5, which gives [-1, 1]
        fill: the map's nodata value, or None
    Raises:
        ValueError: offset and scale differ in length, or are not finite
    """

    offset: Tensor
    scale: Tensor
    fill: Tensor | None

    def __init__(self, offset: ArrayLike, scale: ArrayLike, fill: float | None = None):
        super().__init__()
        self.register_buffer("offset", torch.as_tensor(offset, dtype=torch.float32).reshape(-1, 1, 1))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32).reshape(-1, 1, 1))
        self.register_buffer("fill", None if fill is None else torch.as_tensor(fill, dtype=torch.float32))
        if self.offset.shape != self.scale.shape or not (self.offset.isfinite() & self.scale.isfinite()).all():
            raise ValueError(
                "The 'offset' and 'scale' parameters of Normalise must be finite, a number for each band. "
                f"Got {self.offset.flatten().tolist()} and {self.scale.flatten().tolist()} instead."
            )

    def forward(self, tiles: Tensor) -> Tensor:
        """Normalise tiles (N, C, H, W) of any integer or floating dtype -> (N, C, H, W) float32."""
        pixels = tiles.float()
        normalised = pixels.sub(self.offset).mul_(self.scale)  # in place from here on: allocating memory costs most
        valid = normalised.isfinite().all(1, keepdim=True)  # (N, 1, H, W)
        if self.fill is not None:
            valid = valid & pixels.ne(self.fill).any(1, keepdim=True)
        return normalised.masked_fill_(~valid, 0.0)
