"""The networks by name, and the module that makes embeddings with one of them."""

from collections.abc import Callable

import timm
import torch
from timm.models import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import normalize

from networks.normalise import Normalise

PATCH_SIZE = 8  # pixels; side of the transformer's patches
SMALLEST_NORM = 1e-6  # a shorter output is not stretched to unit length: its gradient would be as large as it is short


def _convolutional(timm_name: str) -> Callable[[int, int], nn.Module]:
    """Factory of one of timm's convolutional networks: it averages over the pixels, so it takes any image size."""
    return lambda bands, image_size: timm.create_model(timm_name, pretrained=False, in_chans=bands, num_classes=0)


def _transformer(bands: int, image_size: int) -> nn.Module:
    """ViT (Dosovitskiy et al. 2020, arXiv:2010.11929) of 10 layers of width 384; the class token is the output."""
    if image_size % PATCH_SIZE:
        raise ValueError(
            f"The 'image_size' of the network 'transformer' must be a multiple of {PATCH_SIZE}, as "
            f"{-(-image_size // PATCH_SIZE) * PATCH_SIZE} is. Got {image_size} instead."
        )
    return VisionTransformer(
        img_size=image_size, patch_size=PATCH_SIZE, in_chans=bands, num_classes=0, embed_dim=384, depth=10, num_heads=8
    )


# name -> factory(bands, image_size) of a network that gives (N, num_features), its weights drawn at random
NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "resnext50": _convolutional("resnext50_32x4d"),
    "transformer": _transformer,
    "resnet10t": _convolutional("resnet10t"),
    "test_resnet": _convolutional("test_resnet"),
}


class Embedder(nn.Module):
    """Raw tiles -> embeddings: normalisation, the backbone, a linear layer, and unit length if wanted.

    Args:
        backbone: module with `num_features`; (N, C, H, W) float32 -> (N, num_features)
        output_size: D, length of an embedding
        norm_output: divide each embedding by its L2 norm
        normalisation: from pixel values to the backbone's input
    """

    def __init__(self, backbone: nn.Module, output_size: int, norm_output: bool, normalisation: Normalise):
        super().__init__()
        self.normalisation = normalisation
        self.backbone = backbone
        self.head = nn.Linear(backbone.num_features, output_size)
        self.norm_output = norm_output

    def forward(self, tiles: Tensor) -> Tensor:
        """Tiles (N, C, H, W) in the map's own type (uint8, int16, uint16, float32 ...) -> (N, D) float32."""
        features = self.backbone(self.normalisation(tiles))  # (N, num_features)
        # autocast is for the backbone only: embeddings rounded to half precision would tie tiles that differ
        with torch.autocast(tiles.device.type, enabled=False):
            embeddings = self.head(features.float())  # (N, D)
            return normalize(embeddings, eps=SMALLEST_NORM) if self.norm_output else embeddings


def build(
    name: str, bands: int, image_size: int, output_size: int, norm_output: bool, normalisation: Normalise, seed: int
) -> Embedder:
    """An Embedder on the CPU with the initial weights that the seed gives; global random state is left alone.

    Args:
        name: one of NETWORKS
        bands: C of the tiles
        image_size: side of the tiles, pixels
        output_size: D, length of an embedding
        norm_output: embeddings of unit L2 norm
        normalisation: for the same number of bands
        seed: of the initial weights
    Raises:
        ValueError: the name is unknown, the network cannot take the image size, or the bands do not fit
    """
    if name not in NETWORKS:
        raise ValueError(f"The 'network' must be one of {', '.join(NETWORKS)}. Got {name!r} instead.")
    if len(normalisation.offset) != bands:
        raise ValueError(f"The normalisation is for {len(normalisation.offset)} bands, but the tiles have {bands}.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # of the CPU alone: torch.manual_seed would reseed every device
        return Embedder(NETWORKS[name](bands, image_size), output_size, norm_output, normalisation)
