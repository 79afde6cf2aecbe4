"""The maps of a run: which files they are, opened, prepared, and brought onto one grid."""

import logging
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from config import Config, Maps
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.opening import MapError
from dataProcessors.sampling.area import Area, SamplingError
from dataProcessors.sampling.pool import Pool, load_or_make_pool, pool_path, require_classes, score_pool, training_pool
from dataProcessors.sampling.supervised_sampler import SupervisedSampler
from dataProcessors.sampling.tile_sampler import TileSampler
from dataProcessors.statistics import warn_about_filler
from dataProcessors.tiffreader import GEOMAP, LabelReader, TiffReader

log = logging.getLogger(__name__)
DATA = Path("data")
CACHE = DATA / "cache"
GDAL_CACHE = 32  # MB of decoded blocks; by itself GDAL would keep as much as a twentieth of the machine's memory
POOL_FACTOR = 2  # tiles of a pool per tile of one evaluation's draw
TRAINING_FACTOR = 4  # tiles of the supervised training pool per tile the simple models are fitted on
POOL_SEEDS = {"fit": 1, "score": 2, "train": 3}  # keep the draws of the pools apart
SOURCES = {
    GEOMAP.SENTINEL.value: "a Sentinel-2 mosaic of Germany can be had from s2maps.eu",
    GEOMAP.OSM.value: "OSM land use can be had from osmlanduse.org",
    GEOMAP.CLC.value: "CORINE Land Cover can be had from land.copernicus.eu",
}


@dataclass(frozen=True)
class OpenMaps:
    """Image map and label map on one grid, and the area, pools and sampler that a run's tiles come from.

    Attributes:
        config: of the run
        image, labels: the image map, and the label map of the evaluation
        area: the training area and the reserved cells
    """

    config: Config
    image: TiffReader
    labels: LabelReader
    area: Area

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Tiles (N, C, size, size) of the image map at positions (N, 2)."""
        return self.image.read(positions, self.area.size)

    def read_classes(self, positions: np.ndarray) -> np.ndarray:
        """The same places of the label map: (N, size, size) uint8 class indices, labels.NO_LABEL where none is."""
        return self.labels.read(positions, self.area.size)[:, 0]

    def fingerprints(self) -> dict[str, dict]:
        """What identifies the map files that are used."""
        return {"image": self.image.fingerprint(), self.labels.legend.name: self.labels.fingerprint()}

    def sampler(self) -> TileSampler:
        """Where the tiles of training steps come from: by label or by distance."""
        config = self.config
        if config.supervised:
            return SupervisedSampler(self.pools["train"], config.random_reset, config.seed)
        side = max(self.area.window[2:]) / self.area.size  # no two tiles lie farther apart: what is drawn is the same,
        most_pos, most_neg = min(config.max_pos_dist, side), min(config.max_neg_dist, side)  # with fewer vain draws
        distances = config.min_pos_dist, most_pos, config.min_neg_dist, most_neg
        return ImageSampler(self.area, *distances, config.random_reset, config.seed)

    def require_scored_tiles(self) -> None:
        """Whether the reserved cells can hold as many scored tiles as the config itself asks for; a default may ask
        for more, and gets what there is.

        Raises:
            SamplingError: they cannot; it names the largest 'validation_nb' that they can hold
        """
        config = self.config
        wanted, room = config.validation_nb // 10, 4 * len(self.area.cells())
        if "validation_nb" in config.model_fields_set and wanted > room:
            raise SamplingError(
                f"'validation_nb' is {config.validation_nb}: a tenth of it, {wanted} tiles, is to be scored, and the "
                f"reserved cells of this map can hold {room}. Set it to at most {10 * room + 9}, leave it out to score "
                "as many as there are, or choose a smaller 'validation_spacing' or 'image_size'."
            )

    @cached_property
    def pools(self) -> dict[str, Pool]:
        """The "fit" and "score" pool and, for supervised training, "train"; saved in the cache and reused.

        Raises:
            SamplingError: the map holds too few labelled tiles, or tiles of too few classes, for one of them
        """
        config = self.config
        sizes = {"fit": POOL_FACTOR * config.validation_nb, "score": max(POOL_FACTOR * config.validation_nb // 10, 2)}
        if config.supervised:
            sizes["train"] = TRAINING_FACTOR * config.validation_nb
        pools = {role: self._pool(role, size) for role, size in sizes.items()}
        if not len(pools["score"]):
            raise SamplingError(
                f"The reserved cells hold no tile that could be scored: none of {4 * len(self.area.cells())} has both "
                f"enough data and a label of {self.labels.path}. Choose a smaller 'validation_spacing' or "
                "'image_size', or another 'maps.rect'."
            )
        for role, pool in pools.items():
            require_classes(pool, 1, f"The {role} pool")
        if config.supervised:
            needed = 3 if config.loss_name == "quadrupletloss" else 2
            require_classes(pools["train"], needed, f"Supervised training with {config.loss_name}")
        wanted = config.validation_nb // 10
        if len(pools["score"]) < wanted:
            log.warning(
                "%d tiles are scored instead of %d (a tenth of 'validation_nb'): the reserved cells hold no more",
                len(pools["score"]), wanted,
            )  # fmt: skip
        return pools

    def _pool(self, role: str, size: int) -> Pool:
        config = self.config

        def make() -> Pool:
            rng = np.random.default_rng([config.seed, POOL_SEEDS[role], 4])
            draw = score_pool if role == "score" else training_pool
            return draw(self.area, self.labels.summary, lambda p: self.labels.proportions(p, self.area.size), size, rng)

        identity = {
            "image": self.image.key, "labels": self.labels.key, "size": config.image_size, "tiles": size,
            "spacing": config.validation_spacing, "max_nodata": config.max_nodata, "seed": config.seed,
            "window": list(self.image.window),
        }  # fmt: skip
        pool = load_or_make_pool(pool_path(CACHE, role, **identity) if config.cache else None, make)
        log.info("%s pool: %d tiles of %d classes", role, len(pool), len(set(pool.labels.tolist())))
        return pool


def map_files(config: Config) -> Maps:
    """Paths of the run's maps; makes the demo map if that is what is asked for.

    Raises:
        MapError: a file is missing: which, where it can be had, and how to run without it
    """
    if config.maps == "demo":
        from dataProcessors.demo import make_demo

        paths = make_demo(DATA / "demo")
        return Maps(image=str(paths.image), labels={"osm": str(paths.osm), "clc": str(paths.clc)})
    if config.maps == "germany":
        maps = Maps(
            image=GEOMAP.SENTINEL.value,
            labels={"osm": GEOMAP.OSM.value, "clc": GEOMAP.CLC.value},
            rect=ImageSampler.rectangle,
        )
    else:
        maps = config.maps
    return _existing(maps, config.validation_map)


def _existing(maps: Maps, label_map: str) -> Maps:
    needed = [maps.image] + [path for name, path in maps.labels.items() if name.lower() == label_map]
    missing = [path for path in needed if "://" not in path and not os.path.exists(path)]
    if not missing:
        return maps
    told = [f"{path}: there is no such file" + (f"; {SOURCES[path]}" if path in SOURCES else "") for path in missing]
    advice = "Put it there, name your own maps in 'maps', or try the demo map: python main.py maps=demo"
    raise MapError(f"{'. '.join(told)}. {advice}")


def open_maps(config: Config, threads: int) -> OpenMaps:
    """Open, and where `cache` says so prepare, the image map and the label map of the evaluation.

    Raises:
        UserError: a map is missing or cannot be used, or is too small for the tiles asked for
    """
    files = map_files(config)
    cache = CACHE if config.cache else None
    if config.cache:  # maps are read through once then, and GDAL's own choice would fill memory for nothing
        os.environ.setdefault("GDAL_CACHEMAX", str(GDAL_CACHE))
    image = TiffReader(
        files.image, bands=files.bands, nodata=files.nodata, rect=files.rect, cache=cache, threads=threads
    )
    if not image.summary.counts.any():
        raise MapError(f"{image.path}: no pixel of the part in use has data. Choose another 'maps.rect'.")
    warn_about_filler(image, config.image_size)
    name, path = next((n, p) for n, p in files.labels.items() if n.lower() == config.validation_map)
    labels = LabelReader(path, name, image, config.legend_hints.get(name), cache, threads)
    size = config.image_size
    nodata_share = None if image.fill is None else lambda positions: image.nodata_share(positions, size)
    area = Area(image.window, size, config.validation_spacing, image.summary, config.max_nodata, nodata_share)
    return OpenMaps(config, image, labels, area)
