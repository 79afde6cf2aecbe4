"""Networks of the kinds that are trained, but small: their checkpoints take 5 MB instead of 280."""

import pytest
from timm.models.resnet import Bottleneck, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from networks import zoo


def narrow_resnext(bands: int, image_size: int) -> nn.Module:
    """A ResNeXt of one block a stage and a quarter of resnext50's width."""
    sizes = {"layers": (1, 1, 1, 1), "channels": (16, 32, 64, 128), "cardinality": 32, "base_width": 4}
    return ResNet(Bottleneck, in_chans=bands, num_classes=0, **sizes)


def narrow_transformer(bands: int, image_size: int) -> nn.Module:
    """The transformer with two layers of a quarter of its width."""
    sizes = {"patch_size": zoo.PATCH_SIZE, "embed_dim": 96, "depth": 2, "num_heads": 8}
    return VisionTransformer(img_size=image_size, in_chans=bands, num_classes=0, **sizes)


def with_narrow_networks(patch: pytest.MonkeyPatch) -> None:
    """Have `resnext50` and `transformer` be the narrow ones."""
    patch.setitem(zoo.NETWORKS, "resnext50", narrow_resnext)
    patch.setitem(zoo.NETWORKS, "transformer", narrow_transformer)
