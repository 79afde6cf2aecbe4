"""Segmentation: land cover of every pixel, from the predictions for sliding windows. Independent of maps and of torch.

Every window votes for classes. Where windows overlap, their votes are averaged (evaluation.blending), and a pixel gets
the class with the largest mean; of equal means, the class with the lowest index. Positions are (column, row) of a
window's upper-left pixel, counted from the upper-left pixel of the predicted patch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluation.blending import UNKNOWN, Axis, blend

COARSENED = "coarsened_labels"  # features name for scores of the true dominant class of every window
BOOTSTRAP_DRAWS = 50  # draws of patches, for the spread


@dataclass(frozen=True)
class Segmentation:
    """The segmentation by one feature set and one model.

    Attributes:
        tables: (M, K, K) int64, confusion matrix of each scored patch in pixels; rows are the true class, columns the
            predicted class
        votes: (R, K) votes of the windows of the region that is shown
    """

    tables: np.ndarray
    votes: np.ndarray


@dataclass(frozen=True)
class Region:
    """A part of the map that is shown with its predictions.

    Attributes:
        corner: (column, row) of its upper-left pixel on the map
        pixels: (C, H, W) pixels of the image map
        truth: (H, W) uint8 true class indices, UNKNOWN without a label
        predicted: model -> (H, W) uint8 predicted class indices
        tables: model -> (K, K) confusion matrix of the scored patches in pixels, rows are the true class
        coarsened: (K, K) the same table if every window predicts its true dominant class
    """

    corner: np.ndarray
    pixels: np.ndarray
    truth: np.ndarray
    predicted: dict[str, np.ndarray]
    tables: dict[str, np.ndarray]
    coarsened: np.ndarray


def window_positions(height: int, width: int, size: int, stride: int) -> np.ndarray:
    """Return the positions (N, 2) int64 of the windows completely inside a patch, row by row; (0, 2) if none fits."""
    columns, rows = (np.arange(0, side - size + 1, stride) for side in (width, height))
    return np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return votes (N, K) float64 for class indices (N,); zeros where the index is negative."""
    return (labels[:, None] == np.arange(classes)).astype(np.float64)


def class_map(positions: np.ndarray, votes: np.ndarray, size: int, height: int, width: int) -> np.ndarray:
    """Return the class indices (height, width) uint8 of the largest mean vote of the windows that cover each pixel.

    UNKNOWN where no window covers the pixel, or where all its windows have zero votes.

    Args:
        positions: (N, 2) int
        votes: (N, K), 0 or more; rows sum to 1, or to 0
        size: side of a window in pixels
        height: height of the patch in pixels
        width: width of the patch in pixels
    Raises:
        ValueError: a window is not inside the patch
    """
    if len(positions) and (positions.min() < 0 or (positions + size > (width, height)).any()):
        raise ValueError(f"The windows must lie inside the patch of {width} x {height} pixels.")
    columns, rows = (Axis(np.unique(positions[:, axis]), size, side) for axis, side in enumerate((width, height)))
    grid = np.zeros((len(rows.starts), len(columns.starts), votes.shape[1]))
    indices = np.searchsorted(rows.starts, positions[:, 1]), np.searchsorted(columns.starts, positions[:, 0])
    np.add.at(grid, indices, votes)
    blended = blend(grid, rows, columns)
    return blended.pixels(blended.winners)


def pixel_table(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix (K, K) int64 of class indices (H, W), rows are the truth, without UNKNOWN pixels."""
    counted = (truth != UNKNOWN) & (predicted != UNKNOWN)
    pairs = truth[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def pixel_accuracy(table: np.ndarray) -> float:
    """Return the share of correctly predicted pixels of a table (K, K), in [0, 1]; NaN without any pixel."""
    pixels = table.sum()
    return float(np.trace(table) / pixels) if pixels else float("nan")


def has_several_classes(tables: np.ndarray) -> bool:
    """Return whether the pixels of confusion matrices (M, K, K) have, or are given, more than one class."""
    table = tables.sum(axis=0)
    return int((table.any(axis=0) | table.any(axis=1)).sum()) > 1


def class_iou(table: np.ndarray) -> np.ndarray:
    """Return the intersection over union (K,) in [0, 1] of each class of a table (K, K); NaN if it is never true."""
    right, true, predicted = np.diagonal(table), table.sum(axis=1), table.sum(axis=0)
    return np.divide(right, true + predicted - right, out=np.full(len(table), np.nan), where=true > 0)


def mean_iou(table: np.ndarray) -> float:
    """Return the mean of `class_iou` over the classes that occur in the truth; NaN without any pixel.

    A class that is predicted but never true is not part of the mean, but lowers the score of the true classes.
    """
    scores = class_iou(table)
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan")


METRICS: dict[str, Callable[[np.ndarray], float]] = {"pixel_accuracy": pixel_accuracy, "mean_IoU": mean_iou}


def metric_and_spread(tables: np.ndarray, metric: Callable[[np.ndarray], float], seed: int) -> tuple[float, float]:
    """Return a metric of the pixels of all patches together, and its spread over the choice of patches.

    Args:
        tables: (M, K, K) confusion matrices of the patches
        metric: function of a table (K, K)
        seed: seed of the bootstrap: the spread is the standard deviation over BOOTSTRAP_DRAWS draws of M patches with
            replacement
    Returns:
        metric and spread, both NaN without any pixel
    """
    patches = len(tables)
    rng = np.random.default_rng([seed, patches])
    drawn = rng.integers(0, max(patches, 1), (BOOTSTRAP_DRAWS, patches))
    values = np.array([metric(tables[chosen].sum(axis=0)) for chosen in drawn])
    values = values[np.isfinite(values)]
    return metric(tables.sum(axis=0)), float(values.std()) if len(values) else float("nan")
