"""Evaluation of a network: embed the pools' tiles, and score simple models that predict land cover from them."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from config import Config
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.pool import Pool
from evaluation.process import Call, call_here
from evaluation.scores import Evaluation, Settings
from evaluation.scoring import draws, evaluate
from training.scoring.segmenter import Segmenter
from training.scoring.snapshot import Features, ShownNetwork, Snapshot

log = logging.getLogger(__name__)
EmbedPositions = Callable[[np.ndarray], np.ndarray]  # positions (N, 2) -> embeddings (N, D)


class Evaluator:
    """Scores feature sets on the same seeded draws of the same tiles.

    Args:
        config: config of the run
        maps: tiles of the image map, and the pools that the draws are taken from
        yardsticks: name -> function that computes the features of a yardstick, see training.scoring.yardsticks
        jobs: number of CPU cores that the simple models may use

    Attributes:
        fit, score: the tiles of the fit pool and of the score pool that any draw uses
        segmenter: scores the segmentation; None: no segmentation
    """

    def __init__(self, config: Config, maps: OpenMaps, yardsticks: dict[str, EmbedPositions], jobs: int):
        self.segmenter = Segmenter(config, maps) if config.segmentation else None
        self.image, self.yardsticks, self.size = maps.image, yardsticks, config.image_size
        fit, score = maps.pools["fit"], maps.pools["score"]
        fit_nb = config.validation_nb if config.validation_map else 0  # no label map: nothing is fitted
        drawn = draws(len(fit), len(score), fit_nb, config.validation_nb // 10, config.valIteration, config.seed)
        self.fit, fit_draws = _used(fit, [fit_indices for fit_indices, _ in drawn])
        self.score, score_draws = _used(score, [score_indices for _, score_indices in drawn])
        self.draws = list(zip(fit_draws, score_draws))
        self.settings = Settings(
            config.single_class_classifiers, config.multi_class_classifiers, config.singleClassTreshold, jobs,
            config.seed,
        )  # fmt: skip

    def embed(self, name: str, embed: EmbedPositions) -> Features:
        """Return the features of all tiles. name: of the feature set."""
        windows = embed(self.segmenter.windows) if self.segmenter else None
        return Features(name, embed(self.fit.positions), embed(self.score.positions), windows)

    def evaluate_yardsticks(self, call: Call = call_here) -> list[Evaluation]:
        """Return the scores of every yardstick. Its features are held only while they are scored."""
        if self.yardsticks:  # the first line for minutes
            names = ", ".join(self.yardsticks).replace("_", " ")
            fit, score = (f"{len(tiles):,}" for tiles in self.draws[0])
            log.info(
                "Scoring %s: models are fitted on %s tiles and scored on %s, in %d draws", names, fit, score,
                len(self.draws),
            )  # fmt: skip
        return [self.evaluate(self.embed(name, embed), call) for name, embed in self.yardsticks.items()]

    def evaluate(self, features: Features, call: Call = call_here) -> Evaluation:
        """Return the mean and the spread over the draws of every score; of none without a label map.

        call: calls what takes long, in this process or in another
        """
        evaluation = call(
            evaluate, features.name, features.fit, features.score, self.fit.proportions, self.score.proportions,
            self.draws, self.settings,
        )  # fmt: skip
        if self.segmenter is None:
            return evaluation
        assert features.windows is not None  # `embed` computes them if there is a segmenter
        first = self.draws[0][0]
        segmentation = self.segmenter.segment(
            features.fit[first], self.fit.proportions[first], features.windows, self.settings, call
        )
        scores = [*evaluation.scores, *self.segmenter.scores(features.name, segmentation)]
        return replace(evaluation, scores=scores, segmentation=segmentation)

    def shown(self, snapshot: Snapshot, evaluation: Evaluation) -> ShownNetwork:
        """Return what the figures of an evaluated snapshot show."""
        tiles = self.image.read(self.score.positions, self.size)
        region = self.segmenter.region(evaluation.segmentation) if self.segmenter else None
        return ShownNetwork(snapshot, evaluation, self.score.proportions, self.score.positions, tiles, region)


def renamed(evaluation: Evaluation, name: str) -> Evaluation:
    """Return the same evaluation with another name of the feature set."""
    scores = [score._replace(features=name) for score in evaluation.scores]
    return replace(evaluation, features=name, scores=scores)


def _used(pool: Pool, indices: list[np.ndarray]) -> tuple[Pool, list[np.ndarray]]:
    """Return the tiles of a pool that any draw uses, and the draws as indices into these tiles."""
    used = np.unique(np.concatenate(indices))
    return pool.take(used), [np.searchsorted(used, drawn) for drawn in indices]
