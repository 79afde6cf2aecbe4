"""Which tiles lie nearest: exact, in a stated order, a few rows of the distance table at a time."""

from collections.abc import Callable, Iterator

import numpy as np

TABLE_ELEMENTS = 1_000_000  # of one table that a thread holds at a time: 8 MB in float64
MAX_DISTANCE = np.finfo(np.float64).max


def chunks(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Cut rows (N,) into consecutive parts, so that a part x width table has at most TABLE_ELEMENTS elements."""
    step = max(1, TABLE_ELEMENTS // max(1, width))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def by_chunks(function: Callable[[np.ndarray], object], rows: np.ndarray, width: int) -> list:
    """What a function gives for each chunk of rows (N,), in order.

    By as many threads as `joblib.parallel_config(n_jobs=...)` says around the call, by one if nothing is said.
    """
    import joblib  # here, because `main.py --help` should not wait for it
    from threadpoolctl import threadpool_limits

    parts = list(chunks(rows, width))
    threads = min(joblib.effective_n_jobs(None), len(parts))
    if threads < 2:
        return [function(part) for part in parts]
    with threadpool_limits(1, "blas"):  # whose own threads would wait for these
        return joblib.Parallel(threads, require="sharedmem")(joblib.delayed(function)(part) for part in parts)


def check_embeddings(embeddings: np.ndarray) -> np.ndarray:
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

    embeddings: (N, D), finite. k: 1 to N - 1. What the quick search cannot tell apart is searched by exact distances.
    """
    indices, clear = quick_nearest(embeddings, rows, k)
    if not clear.all():
        indices[~clear] = exact_nearest(embeddings, rows[~clear], k)
    return indices


def quick_nearest(embeddings: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n, k) as `nearest` gives them, and the mask (n,) bool of the rows for which their order is certain.

    Distances come from a product of matrices, and each holds its tile's index in its last bits, so that one number is
    selected and sorted. Certain is a row whose k + 1 nearest lie farther apart than both together may be wrong.
    """
    squares = np.einsum("nd,nd->n", embeddings, embeddings)
    distances = embeddings[rows] @ (-2 * embeddings.T)  # (n, N)
    distances += squares
    distances += squares[rows, None]
    np.maximum(distances, 0, out=distances)  # only of floats without a sign do the bits have the order of the values
    distances[np.arange(len(rows)), rows] = MAX_DISTANCE  # self is left out by index, never by rank
    bits = (len(embeddings) - 1).bit_length()
    keys = distances.view(np.int64)
    keys &= -(1 << bits)
    keys |= np.arange(len(embeddings))
    keys.partition(k, axis=1)
    keys = np.sort(keys[:, : k + 1], axis=1)
    limits = np.finfo(np.float64)
    wrong = limits.eps * (2**bits + 8 * embeddings.shape[1]) * 2 * (squares[rows] + squares.max()) + limits.tiny
    clear = (np.diff(keys.view(np.float64), axis=1) > wrong[:, None]).all(axis=1)
    return keys[:, :k] & ((1 << bits) - 1), clear


def exact_nearest(embeddings: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Indices (n, k) as `nearest` gives them, by direct differences, whatever is equal."""
    distances = squared_distances(embeddings, rows)  # (n, N)
    distances[np.arange(len(rows)), rows] = np.inf  # self is left out by index, never by rank
    farthest = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]  # (n, 1), of the k nearest
    closer, tied = distances < farthest, distances == farthest
    vacant = k - np.count_nonzero(closer, axis=1, keepdims=True)  # filled by the tied tiles of lowest index
    chosen = closer | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= vacant))
    indices = np.nonzero(chosen)[1].reshape(len(rows), k)  # ascending, so a stable sort keeps the order of ties
    order = np.argsort(np.take_along_axis(distances, indices, axis=1), axis=1, kind="stable")
    return np.take_along_axis(indices, order, axis=1)
