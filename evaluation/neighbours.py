"""Which tiles lie nearest: exact, in a stated order, a few rows of the distance table at a time."""

from collections.abc import Iterator

import numpy as np

TABLE_ELEMENTS = 4_000_000  # of one table held at a time: 32 MB in float64


def chunks(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Cut rows (N,) into consecutive parts, so that a part x width table has at most TABLE_ELEMENTS elements."""
    step = max(1, TABLE_ELEMENTS // max(1, width))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def checked(embeddings: np.ndarray) -> np.ndarray:
    """Return the embeddings (N, D) as float64; raise ValueError where one of them is NaN or infinite."""
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim != 2:
        raise ValueError(f"The embeddings must be a table (N, D). Got the shape {embeddings.shape} instead.")
    wrong = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"The embeddings must be finite. {len(wrong)} of {len(embeddings)} rows are not, first row {wrong[0]}. "
            "If a network made them, its training has diverged: lower the learning rate."
        )
    return embeddings


def squared_distances(embeddings: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances (n, N) float64 from the embeddings of rows (n,) to all (N, D).

    By direct differences, so that equal embeddings tie exactly, which |x|^2 + |y|^2 - 2xy does not promise.
    """
    from scipy.spatial.distance import cdist  # here, because `main.py --help` should not wait for scipy

    return cdist(embeddings[rows], embeddings, "sqeuclidean")


def nearest(embeddings: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Indices (n, k) of the k nearest other tiles of each of rows (n,), in the order (squared distance, index).

    embeddings: (N, D), finite. k: 1 to N - 1.
    """
    distances = squared_distances(embeddings, rows)  # (n, N)
    distances[np.arange(len(rows)), rows] = np.inf  # self is left out by index, never by rank
    farthest = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]  # (n, 1), of the k nearest
    closer, tied = distances < farthest, distances == farthest
    vacant = k - np.count_nonzero(closer, axis=1, keepdims=True)  # filled by the tied tiles of lowest index
    chosen = closer | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= vacant))
    indices = np.nonzero(chosen)[1].reshape(len(rows), k)  # ascending, so a stable sort keeps the order of ties
    order = np.argsort(np.take_along_axis(distances, indices, axis=1), axis=1, kind="stable")
    return np.take_along_axis(indices, order, axis=1)
