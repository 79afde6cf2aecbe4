"""Logistic regression of several classes, in the coordinates of `evaluation.basis`: quick where features hang together.

The objective is scikit-learn's: the mean of -log p of the true class, p the softmax of the logits, and the weights'
squared length / (2 C n), without the intercepts. scikit-learn's solver takes as many steps as the features' extents
differ. Along principal axes the curvature is known well enough, less than half of the squared extent and mostly a tenth
of it (Böhning 1992, doi 10.1007/BF00048682), to be divided out beforehand: a quarter to a half of the steps are left.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from evaluation.basis import Basis

CURVATURE = 0.1  # of the mean loss along an axis, as a share of the mean square of the coordinate
MAX_STEPS = 200
GRADIENT, GAIN = 1e-3, 1e-7  # a largest part of the gradient, or a gain of the objective, at which a fit ends
MAX_LOSS_LEFT = 1e-4  # of the mean log loss, by leaving out axes of small extent
MIN_PROBABILITY = 1e-12


class Columns(NamedTuple):
    """Tiles along the axes of a basis.

    Attributes:
        values: (n, 1 + r) float32, ones for the intercept, and the coordinates
        squares: (1 + r,) mean squares of these columns over all tiles of the basis
    """

    values: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, basis: Basis) -> "Columns":
        """Return the columns of the tiles that the basis was found on."""
        count = len(basis.coordinates)
        values = np.concatenate([np.ones((count, 1)), basis.coordinates], axis=1, dtype=np.float32)
        return cls(values, np.concatenate([[1.0], basis.extents / count]))

    def take(self, chosen: np.ndarray) -> "Columns":
        """Return the columns of some tiles, a mask (n,)."""
        return Columns(self.values[chosen], self.squares)


def fit_weights(columns: Columns, labels: np.ndarray, strength: float, start: np.ndarray) -> np.ndarray:
    """Return the weights (K, 1 + r) float64 of logistic regression, the intercepts first.

    Axes of small extent get the weight 0. Together they could lower the objective by their largest mean square over
    the penalty at most: the gradient along an axis is at most what the residuals, of length sqrt(2 n), hold of it.

    Args:
        columns: of n tiles
        labels: (n,) 0 to K - 1
        strength: C
        start: (K, 1 + r) weights to start from, K >= 2
    """
    classes = len(start)
    penalties = np.full(len(columns.squares), (2 if classes == 2 else 1) / (strength * len(labels)))
    penalties[0] = 0  # and of two classes, scikit-learn penalises the difference of their weights
    used = np.count_nonzero(columns.squares >= MAX_LOSS_LEFT * penalties)  # they fall from the first on
    penalties = penalties[:used]
    scale = 1 / np.sqrt(CURVATURE * columns.squares[:used] + penalties)
    values, own = columns.values[:, :used], (labels, np.arange(len(labels)))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(classes, used) * scale
        logits = weights.astype(np.float32) @ values.T  # (K, n)
        logits -= logits.max(0)
        of_own = logits[own].sum(dtype=np.float64)
        shares = np.exp(logits, out=logits)
        sums = shares.sum(0)
        loss = (np.log(sums).sum(dtype=np.float64) - of_own) / len(labels)
        shares /= sums
        shares[own] -= 1
        gradient = (shares @ values) / len(labels) + penalties * weights
        return loss + (penalties * weights**2).sum() / 2, (gradient * scale).ravel()

    limits = {"maxiter": MAX_STEPS, "gtol": GRADIENT, "ftol": GAIN}
    found = minimize(objective, (start[:, :used] / scale).ravel(), jac=True, method="L-BFGS-B", options=limits).x
    weights = np.zeros((classes, len(columns.squares)))
    weights[:, :used] = found.reshape(classes, used) * scale
    return weights


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the softmax (n, K) of logits (n, K)."""
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def log_loss(weights: np.ndarray, columns: Columns, labels: np.ndarray) -> float:
    """Return the summed log loss of tiles (n,) with labels 0 to K - 1 for weights (K, 1 + r)."""
    shares = probabilities(columns.values @ weights.T.astype(np.float32))
    return float(-np.log(np.maximum(shares[np.arange(len(labels)), labels], MIN_PROBABILITY)).sum(dtype=np.float64))
