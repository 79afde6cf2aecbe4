"""Principal axes of the features that linear models are fitted on, found once for all models of a draw.

Rotating the features changes nothing in a model whose weights are penalised by their squared length, and axes along
which nothing varies, as where there are fewer tiles than dimensions, have the weight 0. In the rotated coordinates
ridge regression is solved for all penalties at once, and logistic regression needs far fewer steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np

SMALLEST = 1e-14  # squared extents less than this share of the largest are rounding errors of the products


class Basis(NamedTuple):
    """The principal axes of features (F, D), with r of min(F, D) at most, and the features along them.

    Attributes:
        centre: (D,) mean of the features
        axes: (D, r) orthonormal columns, the one of the largest extent first
        extents: (r,) sum of squares of each column of the coordinates, more than 0
        coordinates: (F, r), orthogonal columns of mean 0
    """

    centre: np.ndarray
    axes: np.ndarray
    extents: np.ndarray
    coordinates: np.ndarray


class Remembered(NamedTuple):
    """Features (F, D) and their basis."""

    features: np.ndarray
    basis: Basis


_last: ContextVar[list[Remembered] | None] = ContextVar("last basis", default=None)


@contextmanager
def last_basis_remembered() -> Iterator[None]:
    """Context in which `principal_basis` finds the axes of equal features only once if they come one after the other.

    Both tasks of a draw mostly have the same tiles to fit on.
    """
    token = _last.set([])
    try:
        yield
    finally:
        _last.reset(token)


def principal_basis(features: np.ndarray) -> Basis:
    """Return the principal axes of features (F, D), F >= 1, all float64."""
    features = np.asarray(features, np.float64)
    last = _last.get()
    if last and np.array_equal(last[0].features, features):
        return last[0].basis
    basis = _find(features)
    if last is not None:
        last[:] = [Remembered(features, basis)]
    return basis


def _find(features: np.ndarray) -> Basis:
    """Find the axes from the products of the dimensions, or of the tiles if there are fewer of them."""
    centre = features.mean(0)
    centred = features - centre
    wide = features.shape[1] > len(features)
    squares, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    kept = squares > SMALLEST * max(squares.max(initial=0), np.finfo(np.float64).tiny)
    extents, vectors = squares[kept][::-1], vectors[:, kept][:, ::-1]
    if wide:
        axes = centred.T @ (vectors / np.sqrt(extents))
        return Basis(centre, axes, extents, vectors * np.sqrt(extents))
    return Basis(centre, vectors, extents, centred @ vectors)
