"""Tiles of a label map, as classes or class proportions."""

from pathlib import Path

import numpy as np

from config import LabelFile
from dataProcessors.class_shares import ClassShares
from dataProcessors.labels.label_maps import open_label_map
from dataProcessors.legends.legend import proportions
from dataProcessors.prepared.blocks import BLOCK, count_classes
from dataProcessors.tiffreader import TiffReader, in_parts


class LabelReader(TiffReader):
    """Tiles of one label map on the image's grid, as class indices.

    Args:
        file: a raster file of any CRS, resolution and extent, holding colours, a palette or class codes; or a file of
            polygons and points, with the column that names the class
        name: the user's name of the map
        image: the image map to whose grid it is warped
        hint: name of a legend, path of a legend file, or None: by the map's name, or found from the file
        cache, threads: as for TiffReader
    Raises:
        MapError: the file is missing or damaged, lies elsewhere, or does not follow its legend
    """

    def __init__(
        self, file: Path | str | LabelFile, name: str, image: TiffReader, hint: str | None = None,
        cache: Path | str | None = None, threads: int = 1,
    ):  # fmt: skip
        file = file if isinstance(file, LabelFile) else LabelFile(path=str(file))
        source, decoder = open_label_map(file, name, image.grid, hint, image.window, threads)
        self.legend = decoder.legend
        about_image = {"crs": str(image.crs), "transform": list(image.transform)}
        legend = [self.legend.names, self.legend.colors, self.legend.codes, decoder.description, decoder.settings]
        self._open(source, image.window, cache, threads, **about_image, legend=legend)
        self.classes = ClassShares(decoder, self.summary)
        self.classes.log(self.path)

    def proportions(self, positions: np.ndarray, size: int) -> np.ndarray:
        """Return the class proportions (N, K) float32 of tiles; a row of zeros if a tile has no labelled pixel."""
        parts = [proportions(self.read(part, size), len(self.legend)) for part in in_parts(positions, size)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.legend)), np.float32)

    def _facts(self) -> dict:
        """Return what identifies the file, and how its pixels became classes."""
        return super()._facts() | {"legend": self.classes.as_dict()}

    def fingerprints(self) -> dict[str, dict]:
        """Return name of the legend -> fingerprint."""
        return {self.legend.name: self.fingerprint()}

    @property
    def _counts_are_known(self) -> bool:
        return False

    def _count(self, classes: np.ndarray, side: int = BLOCK) -> np.ndarray:
        return count_classes(classes, len(self.legend), side)
