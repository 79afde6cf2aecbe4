"""The module that makes embeddings with one of the networks."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from networks import freezing, pretrained, zoo
from networks.normalise import Normalise

MIN_NORM = 1e-6  # a shorter output is not stretched to unit length: its gradient would be as large as it is short


class Embedder(nn.Module):
    """Raw tiles -> embeddings: normalisation, the backbone, a linear layer, and unit length if wanted.

    Args:
        backbone: module with `num_features`; (N, C, H, W) float32 -> (N, num_features)
        output_size: D, length of an embedding
        norm_output: divide each embedding by its L2 norm
        normalisation: from pixel values to the backbone's input
        freeze: parts of the backbone that are not trained; see networks.freezing.freeze_parts
    """

    def __init__(
        self,
        backbone: nn.Module,
        output_size: int,
        norm_output: bool,
        normalisation: Normalise,
        freeze: bool | int = False,
    ):
        super().__init__()
        self.normalisation = normalisation
        self.backbone = backbone
        self.head = nn.Linear(zoo.feature_width(backbone), output_size)
        self.norm_output = norm_output
        self._frozen = freezing.freeze_parts(backbone, freeze)
        self.train()  # the mode that it says it is in, for the frozen parts too

    def train(self, mode: bool = True) -> "Embedder":
        """Training or evaluation mode; frozen parts stay in evaluation mode, so that no batch-norm statistics move."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def forward(self, tiles: Tensor) -> Tensor:
        """Tiles (N, C, H, W) in the map's own type (uint8, int16, uint16, float32 ...) -> (N, D) float32."""
        features = self.backbone(self.normalisation(tiles))  # (N, num_features)
        # autocast is for the backbone only: embeddings rounded to half precision would tie tiles that differ
        with torch.autocast(tiles.device.type, enabled=False):
            embeddings = self.head(features.float())  # (N, D)
            return normalize(embeddings, eps=MIN_NORM) if self.norm_output else embeddings


def check(name: str, image_size: int, weights: bool | str, freeze: bool | int) -> None:
    """Find out before anything that takes long whether a network can be built; the parameters are those of `build`.

    Raises:
        UserError: in one line, what cannot be and what can
    """
    with zoo.on_meta_device():
        backbone = zoo.create(name, zoo.PROBED_BANDS, image_size)
    freezing.check(name, backbone, freeze)
    pretrained.check(name, backbone, weights)


def build(
    name: str,
    bands: int,
    image_size: int,
    output_size: int,
    norm_output: bool,
    normalisation: Normalise,
    seed: int,
    weights: bool | str = False,
    freeze: bool | int = False,
) -> Embedder:
    """An Embedder on the CPU with the initial weights that the seed gives; global random state is left alone.

    Args:
        name: one of zoo.NETWORKS, or a model of timm
        bands: C of the tiles
        image_size: side of the tiles, pixels
        output_size: D, length of an embedding
        norm_output: embeddings of unit L2 norm
        normalisation: for the same number of bands
        seed: of the initial weights
        weights: of the backbone: False: drawn at random; True: timm's; else the path of a file
        freeze: train all (False), the head only (True), or the last so many stages and the head
    Raises:
        UserError: the name is unknown, the network cannot take the image size or has fewer stages, or the weights
            cannot be had
        ValueError: the bands do not fit the normalisation
    """
    if len(normalisation.offset) != bands:
        raise ValueError(f"The normalisation is for {len(normalisation.offset)} bands, but the tiles have {bands}.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # of the CPU alone: torch.manual_seed would reseed every device
        backbone = pretrained.create(name, bands, image_size, weights)
        freezing.check(name, backbone, freeze)
        return Embedder(backbone, output_size, norm_output, normalisation, freeze)
