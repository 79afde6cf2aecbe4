"""The images of one place, one for each date: opened in one order, checked against each other, read as one map."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from config import Maps
from dataProcessors.rasters.image_map import ImageMap
from dataProcessors.rasters.opening import MapError
from dataProcessors.sampling.dates import dates_of, without_dates
from dataProcessors.tiffreader import TiffReader

log = logging.getLogger(__name__)


class DatedImages:
    """Images of one grid, of the same bands and type. Most maps have one, whose date has no name.

    Args:
        readers: name of the date -> image; the date on which everything is scored comes first, and has number 0

    Attributes:
        window, dtype, bands: those of each image
        has_validity, channels: of the tiles that are read; see TiffReader. Where one image marks pixels, tiles of all
            have the mark
    """

    def __init__(self, readers: Mapping[str, TiffReader]):
        self.readers, self._by_number = dict(readers), list(readers.values())
        self.window, self.dtype, self.bands = self.first.window, self.first.dtype, self.first.bands
        self.channels = max(reader.channels for reader in self._by_number)
        self.has_validity = any(reader.has_validity for reader in self._by_number)

    @property
    def first(self) -> TiffReader:
        """The image on which everything is scored."""
        return self._by_number[0]

    @property
    def dates(self) -> int:
        """Number of dates."""
        return len(self.readers)

    @property
    def keys(self) -> list[str]:
        """Names of the prepared images."""
        return [reader.key for reader in self._by_number]

    def read(self, positions: np.ndarray, size: int) -> np.ndarray:
        """Read tiles (N, channels, size, size), each from the image of its date; memory is laid out as by TiffReader.

        Args:
            positions: (N, 2) on the first image, or (N, 3) with the number of the date
            size: side of the tiles in pixels
        """
        dates, xy = dates_of(positions), without_dates(positions)
        present = np.unique(dates).tolist()
        if len(present) == 1:  # without a copy
            return self._read(present[0], xy, size)
        tiles = np.empty((len(positions), size, size, self.channels), self.dtype).transpose(0, 3, 1, 2)
        for number in present:
            own = dates == number
            tiles[own] = self._read(number, xy[own], size)
        return tiles

    def _read(self, number: int, xy: np.ndarray, size: int) -> np.ndarray:
        tiles = self._by_number[number].read(xy, size)
        if tiles.shape[1] == self.channels:
            return tiles
        marked = np.pad(tiles.transpose(0, 2, 3, 1), [(0, 0)] * 3 + [(0, 1)], constant_values=1)  # data everywhere
        return marked.transpose(0, 3, 1, 2)

    def fingerprints(self, further: Callable[[TiffReader], dict[str, Any]]) -> dict[str, dict]:
        """Return "image" -> what identifies the first image, and "image DATE" -> the same of every other one.

        further: returns what else is noted of an image
        """
        found = {}
        for number, (date, reader) in enumerate(self.readers.items()):
            named = {"date": date} if date else {}
            found[f"image {date}" if number else "image"] = reader.fingerprint() | named | further(reader)
        return found


def open_dates(
    files: Maps, open_source: Callable[[Maps], ImageMap], prepare: Callable[[ImageMap], TiffReader]
) -> DatedImages:
    """Open the images of all dates, and check them against each other before any of them is prepared.

    Args:
        files: the maps of a run
        open_source: opens the files of the single image of maps
        prepare: returns the tiles of an image
    Raises:
        MapError: an image cannot be used, or differs from that of the first date in grid, bands or type
    """
    scored, dates = files.scored_date, list(files.images)
    sources = {date: open_source(files.of_date(date)) for date in dates}
    if len(dates) > 1:
        check_alike(list(sources.values()))
        log.info("The image map has the dates %s. Everything is scored on %s", ", ".join(dates), scored)
    ordered = [scored, *(date for date in dates if date != scored)]
    return DatedImages({date: prepare(sources[date]) for date in ordered})


def check_alike(images: Sequence[ImageMap]) -> None:
    """Raise a MapError if the images of two dates differ in grid, bands or type."""
    first, *others = images
    for other in others:
        different = [f"{what} {now} and {then}" for what, now, then in _differences(other, first)]
        if different:
            raise MapError(
                f"{other.path} and {first.path} are two dates of one map, and differ: {'; '.join(different)}. Bring "
                "them onto one grid, with the same bands and type, such as by gdalwarp."
            )
        declared = [[image.description[key] for key in ("scales", "offsets")] for image in (other, first)]
        if declared[0] != declared[1]:
            log.warning(
                "%s and %s declare other scales or offsets of their bands: %s and %s. Pixels are used as they are "
                "stored, so equal land may have other values at each date", other.path, first.path, *declared,
            )  # fmt: skip


def _differences(image: ImageMap, other: ImageMap) -> list[tuple[str, object, object]]:
    """Return what differs between two images: (what, of the one, of the other)."""
    names = [each.description["band_names"] for each in (image, other)]
    grids, bands = (image.grid, other.grid), [len(each.bands) for each in (image, other)]
    sizes, systems = [f"{g.width} x {g.height} pixels" for g in grids], [str(g.crs) for g in grids]
    types, transforms = [each.dtype.name for each in (image, other)], [list(g.transform)[:6] for g in grids]
    moved = sizes[0] == sizes[1] and not grids[0].has_same_pixels(grids[1])
    renamed = bands[0] == bands[1] and any(one and two and one != two for one, two in zip(*names))
    facts: dict[str, list] = {"size": sizes, "CRS": systems, "number of bands": bands, "type": types}
    facts |= ({"transform": transforms} if moved else {}) | ({"names of the bands": names} if renamed else {})
    return [(what, one, two) for what, (one, two) in facts.items() if one != two]
