"""A network at one step: what its evaluation needs, and what its figures show."""

from dataclasses import dataclass

import numpy as np

from evaluation.scores import Evaluation
from evaluation.segmentation import Region


@dataclass(frozen=True)
class Features:
    """A feature set: one feature vector for each tile that any draw uses.

    Attributes:
        name: "trained", "untrained" or the name of a yardstick
        fit: (F, D) features of the tiles to fit on
        score: (S, D) features of the tiles to score
        windows: (W, D) features of the segmentation's windows; None: no segmentation
    """

    name: str
    fit: np.ndarray
    score: np.ndarray
    windows: np.ndarray | None = None


@dataclass(frozen=True)
class Snapshot:
    """Everything that an evaluation and its figures need from a network at one step.

    Attributes:
        step: number of steps trained
        features: embeddings of the pools' tiles
        sampled: role -> positions (n, 2) trained on so far
    """

    step: int
    features: Features
    sampled: dict[str, np.ndarray]


@dataclass(frozen=True)
class ShownNetwork:
    """An evaluated network, as its figures show it.

    Attributes:
        snapshot: of the network
        evaluation: of the snapshot
        proportions: (S, K) of the scored tiles
        positions: (S, 2) of the same tiles
        tiles: (S, C, H, W), their pixels
        region: the segmented region; None: no segmentation
    """

    snapshot: Snapshot
    evaluation: Evaluation
    proportions: np.ndarray
    positions: np.ndarray
    tiles: np.ndarray
    region: Region | None = None
