"""A simple model that predicts land cover from embeddings, fitted on the tiles that the run's evaluation fits on."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from config import UserError
from dataProcessors import maps as run_maps
from dataProcessors.features import FeatureStore
from dataProcessors.legends.legend import Legend
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.pool import Pool
from evaluation.models import CLASSIFIERS, REGRESSORS, fitted, ignore_known_warnings, predict_votes
from evaluation.proportions import normalised, reaches
from evaluation.scoring import draws
from inference.core.trained_run import TrainedRun
from training.execution.tile_batches import in_batches
from training.scoring.fit_tiles import load_fit_tiles

log = logging.getLogger(__name__)
FEATURES = "fit_tiles"  # name of the embeddings of the tiles to fit on, in the cache


@dataclass(frozen=True)
class SimpleModel:
    """A fitted model.

    Attributes:
        name: of CLASSIFIERS or REGRESSORS
        legend: of the classes
        tiles: number of tiles that it is fitted on
        predict: embeddings (n, D) -> what they say of each class (n, K) float64; rows sum to 1. The probabilities, or 1
            for the predicted class, of a classifier; the proportions of a regressor
    """

    name: str
    legend: Legend
    tiles: int
    predict: Callable[[np.ndarray], np.ndarray]


def check_model(name: str) -> None:
    """Raise a UserError if there is no simple model of this name."""
    if name not in CLASSIFIERS:
        raise UserError(f"There is no simple model '{name}'. Choose one of {', '.join(CLASSIFIERS)}.")


def check_can_classify(run: TrainedRun, name: str) -> None:
    """Raise a UserError if there is no simple model of this name, or no label map to fit it on."""
    check_model(name)
    if run.config.validation_map is None:
        raise UserError(
            f"{run.checkpoint}: the run has no label map ('validation_map' is null), so no classes are known. Train a "
            "run that names one in 'validation_map'; 'supervised' may stay false."
        )


def open_maps_to_fit(run: TrainedRun, proportions: bool = False) -> OpenMaps:
    """Open the maps that a run was trained and evaluated on, whatever map is given in place of them.

    Args:
        run: the network, opened with the map that is classified
        proportions: as for `fit_simple_model`
    Raises:
        UserError: one of its maps is missing, or not the same any more; or there is no tile to fit on
    """
    maps = run.open_own_maps()
    tiles_to_fit(run, maps, proportions)
    return maps


def tiles_to_fit(run: TrainedRun, maps: OpenMaps, proportions: bool) -> Pool:
    """Return the tiles that a model is fitted on; arguments and errors: see `fit_simple_model`."""
    pool, threshold = _first_draw(maps), maps.config.singleClassTreshold
    pool = pool.take(np.flatnonzero(reaches(pool.proportions, 0 if proportions else threshold)))
    if not len(pool):
        raise UserError(
            f"{run.checkpoint}: no tile has a class that covers {threshold:.0%} of it, 'singleClassTreshold' of the "
            "run. Choose --proportions, which fits on all labelled tiles."
        )
    return pool


def fit_simple_model(run: TrainedRun, maps: OpenMaps, name: str, proportions: bool = False) -> SimpleModel:
    """Fit a model on the embeddings of the tiles that the first draw of the run's evaluation fits on.

    Args:
        run: the network
        maps: the run's own
        name: of the model
        proportions: predict the proportions of the classes; else the class, from the tiles whose dominant class covers
            at least `singleClassTreshold`
    Raises:
        UserError: there is no tile to fit on
    """
    check_model(name)
    pool, kind = tiles_to_fit(run, maps, proportions), REGRESSORS if proportions else CLASSIFIERS
    targets = pool.proportions if proportions else pool.labels
    embeddings = _embeddings(run, maps, pool.positions)
    pipeline = fitted(kind[name](maps.config.seed, run.execution.threads), embeddings, targets)
    legend, classes = maps.labels.legend, len(maps.labels.legend)
    log.info("%s is fitted on %s tiles of %d classes", name, f"{len(pool):,}", len(np.unique(pool.labels)))

    def predict(embeddings: np.ndarray) -> np.ndarray:
        if not len(embeddings):
            return np.zeros((0, classes))
        if proportions:
            with ignore_known_warnings():
                return normalised(pipeline.predict(embeddings).reshape(-1, classes))
        return predict_votes(pipeline, embeddings, classes)

    return SimpleModel(name, legend, len(pool), predict)


def _first_draw(maps: OpenMaps) -> Pool:
    config, pools = maps.config, maps.pools
    drawn = draws(
        len(pools["fit"]), len(pools["score"]), config.validation_nb, config.validation_nb // 10, 1, config.seed
    )
    return pools["fit"].take(drawn[0][0])


def _embeddings(run: TrainedRun, maps: OpenMaps, positions: np.ndarray) -> np.ndarray:
    """Return the embeddings (n, D) of tiles of the run's own map.

    They are those that the run's evaluation has kept. If it has not, they are computed, and kept in the cache.
    """
    kept = load_fit_tiles(run.checkpoint, run.digest, positions, run.execution)
    if kept is not None:
        return kept

    def embed(positions: np.ndarray) -> np.ndarray:
        with tqdm(total=len(positions), desc="tiles to fit on", unit="tile", leave=False, disable=None, delay=1) as bar:
            parts = []
            for part in in_batches(positions, maps.area.size):
                parts.append(run.embed(maps.read(part)))
                bar.update(len(part))
        return np.concatenate(parts)

    cache = run_maps.CACHE if maps.config.cache else None
    store = FeatureStore(cache, maps.image.key, {"size": maps.area.size, "window": list(maps.image.window)})
    execution = run.execution
    how = {"precision": execution.precision, "device": execution.device.type}
    return store.stored(FEATURES, {"network": run.digest, **how}, embed)(positions)
