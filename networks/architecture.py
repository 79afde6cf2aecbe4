"""What a network is built from, all but its weights and what is fitted to a map."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from config import Config


@dataclass(frozen=True)
class Architecture:
    """The keys of a config that say what a network is.

    Attributes:
        network: one of zoo.NETWORKS, or a model of timm
        bands: C of the tiles
        image_size: side of the tiles, pixels
        output_size: D, length of an embedding, Fourier features included
        norm_output: divide each embedding by its L2 norm, in training mode the head's part by its own
        head_layers: widths of the head's hidden layers; (): the head is a linear layer
        projection: widths of the projection head's layers; see networks.heads
        fourier_features: how many dimensions of an embedding they are; 0: the head makes all of it
        test_time_augmentation: outside training, embed the eight rotations and mirror images of a tile, and average
        freeze: train everything (False), only the head (True), or the last n stages and the head
    """

    network: str
    bands: int
    image_size: int
    output_size: int
    norm_output: bool
    head_layers: Sequence[int] = ()
    projection: Sequence[int] = ()
    fourier_features: int = 0
    test_time_augmentation: bool = False
    freeze: bool | int = False

    @classmethod
    def of(cls, config: Config, bands: int) -> "Architecture":
        """Return that of a config, for tiles of so many bands."""
        keys = {field.name for field in fields(cls)} - {"bands"}
        return cls(bands=bands, **{key: getattr(config, key) for key in keys})

    @property
    def learned_size(self) -> int:
        """How many dimensions of an embedding the head makes."""
        return self.output_size - self.fourier_features
