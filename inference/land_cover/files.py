"""The files of a land-cover map, which all lie beside one another."""

from dataclasses import dataclass, replace
from pathlib import Path

from inference.files.outputs import check_new_files
from inference.files.raster_file import side_file

SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class LandCoverFiles:
    """The files of a land-cover map.

    Attributes:
        map: GeoTIFF of the classes, or of the proportions with one band per class
        proportions: whether it holds proportions
    """

    map: Path
    proportions: bool = False

    @property
    def table(self) -> Path:
        """JSON file with the classes and the scores."""
        return self.map.with_suffix(".json")

    @property
    def names(self) -> Path:
        """What GDAL reads beside the map: names of classes. For proportions there are none."""
        return side_file(self.map)

    @property
    def confidence(self) -> Path:
        """GeoTIFF of the mean probability of the class in percent. There is none for proportions."""
        return self.map.with_name(f"{self.map.stem}-confidence{self.map.suffix}")

    @property
    def picture(self) -> Path:
        """A picture that the caller of `classify` may write. There is none for proportions."""
        return self.map.with_suffix(".png")

    def in_folder(self, folder: Path) -> "LandCoverFiles":
        """Return files of the same names in another folder."""
        return replace(self, map=folder / self.map.name)

    def check(self, may_replace: bool = False) -> None:
        """Check that the files can be written. may_replace: also where they exist.

        Raises:
            UserError: the map has another suffix, or a file exists and may not be replaced
            StorageError: the folder cannot be written to
        """
        others = [self.names] if self.proportions else [self.names, self.confidence, self.picture]
        check_new_files(self.map, SUFFIXES, self.table, others, may_replace)
