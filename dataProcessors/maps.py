"""The maps of a run: opens and prepares them, and aligns them on one grid."""

import logging
import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from config import Config, Maps
from dataProcessors.dated_images import DatedImages, open_dates
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.label_reader import LabelReader
from dataProcessors.labels.label_maps import check_label_file
from dataProcessors.legends.legend import dominant
from dataProcessors.named_maps import DATA, map_files, scored_labels
from dataProcessors.no_labels import NoLabels
from dataProcessors.rasters.image_map import ImageMap, check_is_one_file, open_image_map
from dataProcessors.rasters.opening import MapError, add_path_to_errors
from dataProcessors.rasters.remote_options import limit_cache
from dataProcessors.run_pools import open_pools
from dataProcessors.sampling.area import Area, SamplingError, check_size
from dataProcessors.sampling.dates import without_dates
from dataProcessors.sampling.nodata_limit import NodataLimit
from dataProcessors.sampling.pool import Pool
from dataProcessors.sampling.supervised_sampler import SupervisedSampler
from dataProcessors.sampling.tile_sampler import TileSampler
from dataProcessors.statistics import band_levels, warn_about_filler
from dataProcessors.tiffreader import TiffReader

log = logging.getLogger(__name__)
CACHE = DATA / "cache"
# MB of blocks that GDAL keeps decoded, whose default is a twentieth of the machine's memory, however large that is:
GDAL_CACHE = 32  # while maps are prepared, when each block is read once
GDAL_CACHE_UNPREPARED = 512  # where tiles are read from the files themselves
NEAR = 0.7  # largest distance of near tiles along each axis, in tile sides: they overlap


@dataclass(frozen=True)
class OpenMaps:
    """Image map and label map on one grid, with the area, pools and sampler that a run's tiles come from.

    Attributes:
        config: of the run
        images: the image map, of one date or several
        labels: the label map of the evaluation, which may have no classes (NoLabels); it holds for all dates
        area: the training area and the reserved cells
    """

    config: Config
    images: DatedImages
    labels: LabelReader | NoLabels
    area: Area

    @property
    def image(self) -> TiffReader:
        """The image map of the date on which everything is scored."""
        return self.images.first

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Read tiles (N, C, size, size) of the image map at positions (N, 2), or (N, 3) with their dates."""
        return self.images.read(positions, self.area.size)

    def read_classes(self, positions: np.ndarray) -> np.ndarray:
        """Read the same tiles of the label map: (N, size, size) uint8 class indices, NO_LABEL where unlabelled."""
        return self.labels.read(without_dates(positions), self.area.size)[:, 0]

    def read_proportions(self, positions: np.ndarray) -> np.ndarray:
        """Return the class proportions (N, K) of the same tiles; a row of zeros where no pixel has a label."""
        return self.labels.proportions(without_dates(positions), self.area.size)

    def read_labels(self, positions: np.ndarray) -> np.ndarray:
        """Return the dominant class (N,) of the same tiles, -1 where a tile has no labelled pixel."""
        return dominant(self.read_proportions(positions))

    def fingerprints(self) -> dict[str, dict]:
        """Return what identifies the map files in use; "image" is the one of the scored date."""
        images = self.images.fingerprints(lambda image: {"statistics": band_levels(image, self.config.image_size)})
        return images | self.labels.fingerprints()

    def sampler(self) -> TileSampler:
        """Return the sampler of the training steps: by label or by distance."""
        config = self.config
        if config.supervised:
            return SupervisedSampler(self.pools["train"], config.random_reset, config.seed, config.positive_dates)
        # no two tiles lie farther apart than the window's side: the same tiles are drawn with fewer rejected draws
        side = max(self.area.window[2:]) / self.area.size
        positives = config.min_pos_dist, min(config.max_pos_dist, side)
        # a loss without negatives must not ask for a map that could hold them
        negatives = (config.min_neg_dist, min(config.max_neg_dist, side)) if config.has_negatives else (0.0, 0.0)
        distances = *positives, *negatives
        return ImageSampler(self.area, *distances, config.random_reset, config.seed, config.positive_dates)

    def near_tiles(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw pairs of overlapping tiles of the training area, of the same date: two arrays (number, 2 or 3).

        They are the same at every call, whatever a training draws.
        """
        sampler = ImageSampler(self.area, 0, NEAR, 0, 0, random_reset=1.0, seed=0)
        sampler.begin_step(0)
        anchors, near = sampler.tuples(number, 0).swapaxes(0, 1)
        return anchors, near

    def check_scored_tiles(self) -> None:
        """Check that the reserved cells can hold the scored tiles that the user configured; a default may exceed them.

        Raises:
            SamplingError: they cannot; the message has the largest possible 'validation_nb'
        """
        config = self.config
        wanted, available = config.validation_nb // 10, 4 * len(self.area.reserved_cells())
        if "validation_nb" in config.model_fields_set and wanted > available:
            raise SamplingError(
                f"'validation_nb' is {config.validation_nb}: a tenth of it, {wanted} tiles, must be scored, but the "
                f"reserved cells can hold {available}. Set it to at most {10 * available + 9}, remove it to score "
                "as many as there are, or choose a smaller 'validation_spacing' or 'image_size'."
            )

    @cached_property
    def pools(self) -> dict[str, Pool]:
        """The "fit" and "score" pool and, for supervised training, "train"; see `open_pools`.

        Raises:
            SamplingError: the map has too few labelled tiles, or tiles of too few classes, for one of them
        """
        return open_pools(self.config, self.images, self.labels, self.area, CACHE if self.config.cache else None)


def open_maps(config: Config, threads: int) -> OpenMaps:
    """Open the image map of all dates and the label map of the evaluation, if there is one.

    They are prepared if `cache` is true.

    Raises:
        UserError: a map is missing or cannot be used, or is too small for the configured tiles
    """
    files = map_files(config)
    if config.validation_map is not None:
        check_label_file(scored_labels(config, files)[1])
    images = open_dates(
        files,
        lambda of_date: open_checked_source(config, of_date),
        lambda source: prepare_image(config, files, source, threads),
    )
    labels = open_labels(config, files, images.first, threads)
    limits = [nodata_limit(config, image) for image in images.readers.values()]
    area = Area(images.window, config.image_size, config.validation_spacing, limits[0], limits[1:])
    return OpenMaps(config, images, labels, area)


def open_labels(config: Config, files: Maps, image: TiffReader, threads: int) -> LabelReader | NoLabels:
    """Open the label map of the evaluation on the image's grid and, if `cache` is true, prepare it.

    Raises:
        UserError: it is missing or cannot be used
    """
    if config.validation_map is None:
        return NoLabels(image.window)
    name, file = scored_labels(config, files)
    return LabelReader(file, name, image, config.legend_hints.get(name), CACHE if config.cache else None, threads)


def open_checked_source(config: Config, files: Maps) -> ImageMap:
    """Open the single image of maps as `open_source` does, and check its size before anything is prepared.

    Raises:
        UserError: it cannot be used, or is too small for the configured tiles
    """
    source = open_source(config, files)
    with add_path_to_errors(source.path):
        window = source.grid.window_of(files.rect)
    check_size(window, config.image_size, config.validation_spacing)
    return source


def nodata_limit(config: Config, image: TiffReader) -> NodataLimit:
    """Return which tiles of an image map have enough data for the config."""
    size = config.image_size
    share = None if image.is_whole else lambda positions: image.nodata_share(positions, size)
    return NodataLimit(image.summary, size, config.max_nodata, share)


def open_image(config: Config, files: Maps, threads: int) -> TiffReader:
    """Open the single image of maps and, if `cache` is true, prepare it.

    Raises:
        UserError: it is missing, cannot be used, or holds no data in the part in use
    """
    return prepare_image(config, files, open_source(config, files), threads)


def open_source(config: Config, files: Maps) -> ImageMap:
    """Open the files of the single image of maps; of their pixels nothing is read.

    Raises:
        MapError: one is missing or cannot be used
    """
    os.environ.setdefault("GDAL_CACHEMAX", str(GDAL_CACHE if config.cache else GDAL_CACHE_UNPREPARED))
    (files_of_date,) = files.images.values()
    if config.cache:  # maps are read only once then, and larger caches would waste memory
        limit_cache()
    else:
        check_is_one_file(files_of_date, files.crs)
    return open_image_map(files_of_date, files.bands, files.nodata, files.crs)


def prepare_image(config: Config, files: Maps, source: ImageMap, threads: int) -> TiffReader:
    """Return the tiles of an image map, which is prepared if `cache` is true.

    Raises:
        UserError: it cannot be read, or holds no data in the part in use
    """
    image = TiffReader(source, rect=files.rect, cache=CACHE if config.cache else None, threads=threads)
    if not image.summary.counts.any():
        raise MapError(f"{image.path}: no pixel of the part in use has data. Choose another 'maps.rect'.")
    warn_about_filler(image, config.image_size)
    return image
