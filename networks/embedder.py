"""The module that turns tiles into embeddings with one of the networks."""

from functools import partial

import torch
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.functional import normalize

from networks import freezing, pretrained, zoo
from networks.architecture import Architecture
from networks.augment import mean_over_views
from networks.fourier_features import FourierFeatures
from networks.head_inputs import HeadInputs
from networks.heads import embedding_head, projection_head
from networks.normalise import Normalise, has_data

MIN_NORM = 1e-6  # shorter outputs are not scaled to unit length: their gradients would explode


class Embedder(nn.Module):
    """Raw tiles -> embeddings: normalisation, backbone, head and, if `norm_output`, scaling to unit length.

    With Fourier features, an embedding is what the head makes and, beside it, Fourier features of that and of the
    head's further inputs, which are fitted to trained weights and are zeros before. In training mode it is the head's
    part alone, or what the projection head, if there is one, makes of that part before it is scaled. With test-time
    augmentation, an embedding outside training mode is the mean over all views of a tile, scaled like those of the
    views.

    Args:
        backbone: module with `num_features`; (N, C, H, W) float32 -> (N, num_features)
        architecture: what follows the backbone, and which parts are not trained
        normalisation: from pixel values to the backbone's input
        head_inputs: further inputs of the head, beside the backbone's features; None: none
    """

    def __init__(
        self,
        backbone: nn.Module,
        architecture: Architecture,
        normalisation: Normalise,
        head_inputs: HeadInputs | None = None,
    ):
        super().__init__()
        self.normalisation = normalisation
        self.backbone = backbone
        self.head_inputs = head_inputs
        further, learned = head_inputs.num_features if head_inputs else 0, architecture.learned_size
        number, widths = architecture.fourier_features, architecture.projection
        self.fourier = FourierFeatures(learned + further, number) if number else None
        features = zoo.feature_width(backbone) + further
        self.head = embedding_head(features, architecture.head_layers, learned, standardised=bool(number))
        self.norm_output = architecture.norm_output
        self.test_time_augmentation = architecture.test_time_augmentation
        self.projection = projection_head(learned, widths) if widths else None
        self._frozen = freezing.freeze_parts(backbone, architecture.freeze)
        self.train()  # sets the frozen parts to evaluation mode

    def train(self, mode: bool = True) -> "Embedder":
        """Set training or evaluation mode; frozen parts, with their batch-norm statistics, stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def synchronise_batch_norm(self) -> None:
        """Have every batch norm take its statistics from the tiles of all processes; only where these use GPUs."""
        convert_sync_batchnorm(self)  # timm's, which keeps the activations that its norms contain
        self._frozen = freezing.frozen_parts(self.backbone)

    def forward(self, tiles: Tensor, valid: Tensor | None = None, with_fourier: bool = True) -> Tensor:
        """Embed tiles (N, C, H, W) of the map's dtype (uint8, int16, uint16, float32 ...) -> (N, D) float32.

        In training mode D is the last width of the projection head, or else the length of the head's part.

        Args:
            tiles: pixels as the map stores them; a further channel is the validity, see `Normalise.forward`
            valid: (N, H, W), not 0 where a pixel holds data; None: as the tiles say
            with_fourier: False: the head's part alone, as in training mode, for what training does in evaluation mode
        """
        given = (tiles,) if valid is None else (tiles, valid)
        if self.training:
            return self._for_loss(*given)
        of_view = partial(self._of_view, with_fourier=with_fourier)
        return self._scaled(mean_over_views(of_view, *given)) if self.test_time_augmentation else of_view(*given)

    def learned(self, tiles: Tensor, valid: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the head's part of the embeddings, not scaled (N, D'), and the head's further inputs, if any (N, F).

        See `forward` for the arguments. Fourier features are those of both side by side.
        """
        pixels, masks = self.normalisation.masked(tiles, valid)
        features = self.backbone(pixels)  # (N, num_features)
        # autocast only for the backbone: rounded to half precision, embeddings of different tiles would become equal
        with torch.autocast(tiles.device.type, enabled=False):
            further = [self.head_inputs(tiles, has_data(tiles, masks))] if self.head_inputs is not None else []
            return self.head(torch.cat([features.float(), *further], 1)), *further

    def _for_loss(self, tiles: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return what the loss sees (N, D): the projection head's output, or else the head's part, scaled."""
        head_part = self.learned(tiles, valid)[0]
        with torch.autocast(tiles.device.type, enabled=False):
            return self._scaled(head_part) if self.projection is None else self.projection(head_part)

    def _of_view(self, tiles: Tensor, valid: Tensor | None = None, *, with_fourier: bool) -> Tensor:
        """Return the embeddings (N, D) float32 of tiles as they lie, or the head's part of them."""
        parts = self.learned(tiles, valid)
        with torch.autocast(tiles.device.type, enabled=False):
            if self.fourier is None or not with_fourier:
                return self._scaled(parts[0])
            return self._scaled(torch.cat([parts[0], self.fourier(torch.cat(parts, 1))], 1))  # (N, D)

    def _scaled(self, embeddings: Tensor) -> Tensor:
        """Return embeddings (N, D), of length 1 if `norm_output`."""
        return normalize(embeddings, eps=MIN_NORM) if self.norm_output else embeddings


def check(name: str, image_size: int, weights: bool | str, freeze: bool | int) -> None:
    """Check early whether a network can be built; see `build` for the parameters.

    Raises:
        UserError: in one line, what is impossible and what is possible
    """
    with zoo.on_meta_device():
        backbone = zoo.create(name, zoo.PROBE_BANDS, image_size)
    freezing.check(name, backbone, freeze)
    pretrained.check(name, backbone, weights)


def build(
    architecture: Architecture,
    normalisation: Normalise,
    seed: int,
    weights: bool | str = False,
    head_inputs: HeadInputs | None = None,
) -> Embedder:
    """Build an Embedder on the CPU with the initial weights that the seed gives; global random state is not changed.

    Args:
        architecture: what is built
        normalisation: for the same number of bands
        seed: of the initial weights
        weights: of the backbone: False: random; True: timm's; else the path of a file
        head_inputs: further inputs of the head, fitted to a sample of tiles
    Raises:
        UserError: the name is unknown, the network cannot take the image size or has fewer stages, or the weights
            are not available
        ValueError: the number of bands differs from the normalisation's
    """
    name, bands = architecture.network, architecture.bands
    if len(normalisation.offset) != bands:
        raise ValueError(f"The normalisation is for {len(normalisation.offset)} bands, but the tiles have {bands}.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # only the CPU's: torch.manual_seed would reseed every device
        backbone = pretrained.create(name, bands, architecture.image_size, weights)
        freezing.check(name, backbone, architecture.freeze)
        return Embedder(backbone, architecture, normalisation, head_inputs)
