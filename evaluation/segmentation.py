"""Land cover pixel by pixel, from what is predicted of windows that slide over it. Knows nothing of maps, nor of torch.

Every window votes for classes; where windows overlap their votes are averaged, and a pixel gets the class of the
largest mean, the lowest index of those that tie. Positions are (column, row) of a window's upper-left pixel, from the
upper-left pixel of the patch that is predicted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

COARSENED = "coarsened_labels"  # the features of the scores that the true main class of every window reaches
UNKNOWN = 255  # of a pixel without a true class, or that no window covers
TIE = 9  # decimals; sums of votes that differ by less differ by rounding only
RESAMPLES = 50  # of the patches, for the spread


@dataclass(frozen=True)
class Segmentation:
    """What is known of one set of features, and of one model with it, on all the scored patches.

    Attributes:
        tables: (M, K, K) int64, pixels of each patch; rows are the true class, columns the predicted one
        votes: (R, K) of the windows of the region that is shown
    """

    tables: np.ndarray
    votes: np.ndarray


@dataclass(frozen=True)
class Region:
    """A piece of the map that is shown with what was predicted of it.

    Attributes:
        corner: (column, row) of its upper-left pixel on the map
        pixels: (C, H, W) of the image map
        truth: (H, W) uint8 class indices, UNKNOWN where there is none
        predicted: model -> the same of its prediction
        tables: model -> (K, K) pixels of the scored patches, rows are the true class
        coarsened: (K, K), the same of the true main class of every window
    """

    corner: np.ndarray
    pixels: np.ndarray
    truth: np.ndarray
    predicted: dict[str, np.ndarray]
    tables: dict[str, np.ndarray]
    coarsened: np.ndarray


def window_positions(height: int, width: int, size: int, stride: int) -> np.ndarray:
    """Positions (N, 2) int64 of the windows that lie wholly in a patch, row by row; (0, 2) if none fits."""
    columns, rows = (np.arange(0, side - size + 1, stride) for side in (width, height))
    return np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Votes (N, K) float64 for class indices (N,); zeros where the index is negative."""
    return (labels[:, None] == np.arange(classes)).astype(np.float64)


def class_map(positions: np.ndarray, votes: np.ndarray, size: int, height: int, width: int) -> np.ndarray:
    """Class indices (height, width) uint8 by the mean vote of the windows that cover a pixel.

    UNKNOWN where no window does, or where none of them votes for anything. Between the edges of windows nothing
    changes, so that votes are added once for each rectangle that edges cut out, instead of for each pixel.

    Args:
        positions: (N, 2) int
        votes: (N, K), 0 or more; rows sum to 1, or to 0
        size: side of a window in pixels
        height: of the patch, pixels
        width: of the patch, pixels
    Raises:
        ValueError: a window reaches beyond the patch
    """
    ends = positions + size
    if len(positions) and (positions.min() < 0 or (ends > (width, height)).any()):
        raise ValueError(f"The windows must lie inside the patch of {width} x {height} pixels.")
    edges = np.concatenate([[(0, 0), (width, height)], positions, ends])
    columns, rows = np.unique(edges[:, 0]), np.unique(edges[:, 1])
    sums = np.zeros((len(rows) - 1, len(columns) - 1, votes.shape[1]))  # of as many windows, so as good as means
    left, right = np.searchsorted(columns, positions[:, 0]), np.searchsorted(columns, ends[:, 0])
    top, bottom = np.searchsorted(rows, positions[:, 1]), np.searchsorted(rows, ends[:, 1])
    for window, vote in enumerate(votes):
        sums[top[window] : bottom[window], left[window] : right[window]] += vote
    winners = np.where(sums.any(-1), sums.round(TIE).argmax(-1), UNKNOWN).astype(np.uint8)
    return winners.repeat(np.diff(rows), axis=0).repeat(np.diff(columns), axis=1)


def pixel_table(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Confusion matrix (K, K) int64 of class indices (H, W), rows the truth; pixels UNKNOWN in either do not count."""
    counted = (truth != UNKNOWN) & (predicted != UNKNOWN)
    if not counted.any():
        return np.zeros((classes, classes), np.int64)
    labels = np.arange(classes + 1)  # one more than there are, for scikit-learn warns of a legend of a single class
    return confusion_matrix(truth[counted], predicted[counted], labels=labels)[:-1, :-1]


def pixel_accuracy(table: np.ndarray) -> float:
    """Share of the pixels of a table (K, K) that have their true class: in [0, 1], NaN without any pixel."""
    truth, predicted, pixels = _pairs(table)
    return float(accuracy_score(truth, predicted, sample_weight=pixels)) if len(pixels) else float("nan")


def class_iou(table: np.ndarray) -> np.ndarray:
    """Intersection over union of each class of a table (K, K): (K,) in [0, 1], NaN of a class that is nowhere true."""
    truth, predicted, pixels = _pairs(table)
    found = np.full(len(table), np.nan)
    occurring = np.unique(truth)
    if len(occurring):
        found[occurring] = jaccard_score(truth, predicted, labels=occurring, average=None, sample_weight=pixels)
    return found


def mean_iou(table: np.ndarray) -> float:
    """Mean of `class_iou` over the classes that occur in the truth, NaN without any pixel.

    A class that is only predicted has no share of its own in the mean, but lowers that of the class which it was taken
    for.
    """
    found = class_iou(table)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


METRICS: dict[str, Callable[[np.ndarray], float]] = {"pixel_accuracy": pixel_accuracy, "mean_IoU": mean_iou}


def figure_and_spread(tables: np.ndarray, metric: Callable[[np.ndarray], float], seed: int) -> tuple[float, float]:
    """A metric of all patches' pixels together, and how far it depends on which patches these are.

    Args:
        tables: (M, K, K) of the patches
        metric: of a table (K, K)
        seed: of the bootstrap: the spread is the standard deviation over RESAMPLES draws of M patches with replacement
    Returns:
        both NaN where there is no pixel
    """
    patches = len(tables)
    rng = np.random.default_rng([seed, patches])
    drawn = rng.integers(0, max(patches, 1), (RESAMPLES, patches))
    values = np.array([metric(tables[chosen].sum(axis=0)) for chosen in drawn])
    values = values[np.isfinite(values)]
    return metric(tables.sum(axis=0)), float(values.std()) if len(values) else float("nan")


def _pairs(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True class, predicted class and pixels of the cells of a table that are not empty, (n,) each."""
    truth, predicted = np.nonzero(table)
    return truth, predicted, table[truth, predicted]
