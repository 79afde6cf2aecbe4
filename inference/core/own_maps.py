"""The maps that a run was trained and evaluated on: where their files lie now, and whether a map is one of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config import Config, Maps, UserError
from config.types import ImageFiles
from dataProcessors.maps import OpenMaps, open_maps, open_source
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.image_files import image_files
from dataProcessors.rasters.image_map import ImageMap
from dataProcessors.rasters.image_part import ImagePart
from dataProcessors.rasters.remote_options import is_missing
from dataProcessors.statistics import band_levels
from dataProcessors.tiffreader import TiffReader
from inference.core.given_maps import CONFIG
from training.runs.compatibility import check_maps

SAME_FILE = ("path", "bytes", "modified")  # facts by which the same bytes are known without reading them
SAME_PLACE = ("crs", "size", "transform", "type")  # ... that two images share if they may have equal pixels
ROUNDING = 1e-9  # share by which statistics of the same pixels may differ, between machines
WARPING = 1e-3  # of a band's deviation: where pixels are looked up, a few depend on how large a piece is read


@dataclass(frozen=True)
class OwnMaps:
    """The maps of a run.

    A map is known by its content: its files may have been moved, renamed or stored anew. It is the run's own also where
    another part of it, or another CRS, is in use.

    Attributes:
        checkpoint: of the run, for messages
        config: of the run
        maps: of the run at all dates, with the paths where they lie now, as far as is known
        fingerprints: name of a map -> what identified it in the training; "image" is the image of the scored date
        threads: that may prepare maps
    """

    checkpoint: Path
    config: Config
    maps: Maps
    fingerprints: dict[str, dict]
    threads: int

    @property
    def images(self) -> list[dict]:
        """Fingerprints of the images of all dates."""
        return [each for name, each in self.fingerprints.items() if name == "image" or "date" in each]

    def image_of(self, date: str) -> dict:
        """Return the fingerprint of the image of a date; there is no such date: of the scored one."""
        return next((each for each in self.images if each.get("date") == date), self.fingerprints["image"])

    def shown_by(self, image: TiffReader) -> dict | None:
        """Return the fingerprint of the image of the run that a map shows; None: it is another map."""
        now = image.fingerprint()
        found = self._with_content(now) or self._unchanged(now)
        is_same_part = any(_agree((*SAME_PLACE, "window"), now, each) for each in self.images)
        return found if found is not None or is_same_part else self.held_by(image.source.files)

    def held_by(self, files: ImageFiles) -> dict | None:
        """Return the fingerprint of the image of the run that files hold; None: they hold another map.

        They are opened as the run opens its own, and known by the statistics of a sample of the part that it uses: to
        compare all of it, that part would have to be prepared.
        """
        try:
            source = open_source(self.config, self._with_image("", files))
            alike = [each for each in self.images if "statistics" in each and _agree(SAME_PLACE, _place(source), each)]
            if not alike:
                return None
            now = band_levels(ImagePart(source, Window(*alike[0]["window"])), self.config.image_size)
        except UserError:  # such as a map that only its own 'maps.crs' brings onto one grid
            return None
        tolerance = 0.0 if self.maps.crs is None else WARPING
        return next((each for each in alike if _are_equal(now, each["statistics"], tolerance)), None)

    def open(self, image: TiffReader) -> OpenMaps:
        """Open all of them. If `image` shows one of them, its files are used: they may be known to lie nowhere else.

        Raises:
            UserError: one of them is missing, or not the same any more
        """
        shown = self.shown_by(image)
        maps = self.maps if shown is None else self._with_image(shown.get("date", ""), image.source.files)
        self._check_files(maps, is_another=shown is None)
        opened = open_maps(self.config.model_copy(update={"maps": maps}), self.threads)
        check_maps(self.checkpoint, opened.fingerprints(), {"maps": self.fingerprints})
        return opened

    def _with_content(self, now: dict) -> dict | None:
        """Return the fingerprint of the image of the run that resuming it would take a fingerprint for."""
        for each in self.images:
            try:
                check_maps(self.checkpoint, {"image": now}, {"maps": {"image": each}})
            except UserError:
                continue
            return each
        return None

    def _unchanged(self, now: dict) -> dict | None:
        """Return the fingerprint of the image whose files have not been written since; of remote ones nobody knows."""
        known = [each for each in self.images if now["bytes"] is not None]
        return next((each for each in known if _agree(SAME_FILE, now, each)), None)

    def _with_image(self, date: str, files: ImageFiles) -> Maps:
        """Return the maps with other files for the image of a date; "": for all dates."""
        image = {**self.maps.images, date: files} if date else files
        dates = {} if date else {"validation_date": None}
        return self.maps.model_copy(update={"image": image} | dates)

    def _check_files(self, maps: Maps, is_another: bool) -> None:
        """Raise a UserError for a file that is not there. is_another: whether 'maps.image' names another map."""
        for key, path in self._needed(maps):
            if not is_missing(path):
                continue
            advice = f"Give its path: {key}=PATH"
            if is_another and key == "maps.image":  # which names that one
                advice = f"Put it there, or write its path into {self.checkpoint.with_name(CONFIG)}"
            raise UserError(f"{path}: there is no such file. A simple model is fitted on the run's own maps. {advice}.")

    def _needed(self, maps: Maps) -> Iterator[tuple[str, str]]:
        """Yield key and path of each file of the images and the label map."""
        for date, files in maps.images.items():
            for path in image_files(files):
                yield (f"maps.image.{date}" if date else "maps.image"), path
        for name, file in maps.labels.items():
            if name.lower() == self.config.validation_map:
                yield f"maps.labels.{name}", file.path


def _place(source: ImageMap) -> dict:
    """Return the facts SAME_PLACE of an image map, as its fingerprint has them."""
    grid = source.grid
    size, transform = [grid.width, grid.height], list(grid.transform)[:6]
    return {"crs": str(grid.crs), "size": size, "transform": transform, "type": source.dtype.name}


def _agree(facts: tuple[str, ...], now: dict, before: dict) -> bool:
    """Whether two fingerprints agree in facts; what an earlier revision did not note counts as equal."""
    return all(now[fact] == before.get(fact, now[fact]) for fact in facts)


def _are_equal(now: dict[str, list[float]], before: dict[str, list[float]], tolerance: float) -> bool:
    """Whether two statistics are those of the same pixels. tolerance: as a share of a band's deviation."""
    allowed = tolerance * np.array(before["deviation"])
    return all(np.isclose(now[name], before[name], rtol=ROUNDING, atol=allowed).all() for name in now)
