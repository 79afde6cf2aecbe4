"""The pools of a run: the tiles that its evaluations fit and score on, and those of supervised training."""

import logging
from pathlib import Path

import numpy as np

from config import Config
from dataProcessors.dated_images import DatedImages
from dataProcessors.label_reader import LabelReader
from dataProcessors.no_labels import NoLabels
from dataProcessors.sampling.area import Area, SamplingError
from dataProcessors.sampling.dates import without_dates
from dataProcessors.sampling.pool import Pool, check_classes, load_or_create_pool, pool_path, score_pool, training_pool

log = logging.getLogger(__name__)
POOL_FACTOR = 2  # size of a pool: this times the tiles of one evaluation
TRAINING_FACTOR = 4  # size of the supervised training pool: this times 'validation_nb'
POOL_SEEDS = {"fit": 1, "score": 2, "train": 3}  # so that the pools are drawn independently


def open_pools(
    config: Config, images: DatedImages, labels: LabelReader | NoLabels, area: Area, cache: Path | None
) -> dict[str, Pool]:
    """Return the "fit" and "score" pool and, for supervised training, "train"; they are kept in a cache and reused.

    The former two are of the date on which everything is scored, the tiles of the latter of all dates.

    Args:
        config: of the run
        images, labels, area: its maps; see `dataProcessors.maps.OpenMaps`
        cache: folder of prepared maps and pools; None: nothing is kept
    Raises:
        SamplingError: the map has too few labelled tiles, or tiles of too few classes, for one of them
    """
    sizes = {"fit": POOL_FACTOR * config.validation_nb, "score": max(POOL_FACTOR * config.validation_nb // 10, 2)}
    if config.supervised:
        sizes["train"] = TRAINING_FACTOR * config.validation_nb
    pools = {role: open_pool(role, size, config, images, labels, area, cache) for role, size in sizes.items()}
    if not len(pools["score"]):
        label = f" and a label of {labels.path}" if labels.path else ""
        raise SamplingError(
            f"The reserved cells hold no tile that could be scored: none of {4 * len(area.reserved_cells())} "
            f"has enough data{label}. Choose a smaller 'validation_spacing' or 'image_size', or another 'maps.rect'."
        )
    for role, pool in pools.items():
        check_classes(pool, 1, f"The {role} pool")
    if config.supervised:
        needed = 3 if config.loss_name == "quadrupletloss" else 2
        check_classes(pools["train"], needed, f"Supervised training with {config.loss_name}")
    _warn_of_few_scored_tiles(len(pools["score"]), config.validation_nb // 10)
    return pools


def open_pool(
    role: str, size: int, config: Config, images: DatedImages, labels: LabelReader | NoLabels, area: Area,
    cache: Path | None,
) -> Pool:  # fmt: skip
    """Return a pool of up to `size` tiles; role: "fit", "score" or "train"; see `open_pools` for the others."""
    area = area if role == "train" else area.of_first_date()
    image_keys = images.keys[: area.dates]

    def make() -> Pool:
        rng = np.random.default_rng([config.seed, POOL_SEEDS[role], 4])
        draw = score_pool if role == "score" else training_pool
        return draw(area, labels.summary, lambda tiles: labels.proportions(without_dates(tiles), area.size), size, rng)

    identity = {
        "image": " ".join(image_keys), "labels": labels.key, "size": config.image_size, "tiles": size,
        "spacing": config.validation_spacing, "max_nodata": config.max_nodata, "seed": config.seed,
        "window": list(images.first.window),
    }  # fmt: skip
    path = None if cache is None else pool_path(cache, role, **identity)
    pool = load_or_create_pool(path, make, [key for key in (*image_keys, labels.key) if key])
    classes = len(set(pool.labels.tolist()) - {-1})
    log.info("%s pool: %d tiles %s", role, len(pool), f"of {classes} classes" if classes else "without labels")
    return pool


def _warn_of_few_scored_tiles(number: int, wanted: int) -> None:
    if number < wanted:
        log.warning(
            "%d tiles are scored instead of %d (a tenth of 'validation_nb'): the reserved cells hold no more",
            number, wanted,
        )  # fmt: skip
