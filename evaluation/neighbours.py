"""Exact nearest neighbours, with a defined order of ties, computed for a few rows of the distance table at a time."""

from collections.abc import Callable, Iterator

import numpy as np

TABLE_ELEMENTS = 1_000_000  # maximal size of a table in one thread: 8 MB in float64
MAX_DISTANCE = np.finfo(np.float64).max


def chunks(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Yield consecutive chunks of rows (N,) such that a table (chunk, width) has at most TABLE_ELEMENTS elements."""
    step = max(1, TABLE_ELEMENTS // max(1, width))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def map_chunks(function: Callable[[np.ndarray], object], rows: np.ndarray, width: int) -> list:
    """Return the results of a function for each chunk of rows (N,), in order.

    The number of threads is that of `joblib.parallel_config(n_jobs=...)` around the call, by default one.
    """
    import joblib  # here, because `main.py --help` should not wait for it
    from threadpoolctl import threadpool_limits

    parts = list(chunks(rows, width))
    threads = min(joblib.effective_n_jobs(None), len(parts))
    if threads < 2:
        return [function(part) for part in parts]
    with threadpool_limits(1, "blas"):  # threads of BLAS inside these threads would only wait
        return joblib.Parallel(threads, require="sharedmem")(joblib.delayed(function)(part) for part in parts)


def check_embeddings(embeddings: np.ndarray) -> np.ndarray:
    """Return the embeddings (N, D) as float64; raise ValueError where one of them is NaN or infinite."""
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim != 2:
        raise ValueError(f"The embeddings must have the shape (N, D). Got the shape {embeddings.shape} instead.")
    wrong = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"The embeddings must be finite. {len(wrong)} of {len(embeddings)} rows are not, first row {wrong[0]}. "
            "If they come from a network, its training has diverged: choose a smaller 'learning_rate'."
        )
    return embeddings


def squared_distances(embeddings: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the squared Euclidean distances (n, N) float64 from the embeddings of rows (n,) to all embeddings (N, D).

    Computed from differences, so that equal embeddings tie exactly; |x|^2 + |y|^2 - 2xy does not guarantee that.
    """
    from scipy.spatial.distance import cdist  # here, because `main.py --help` should not wait for scipy

    return cdist(embeddings[rows], embeddings, "sqeuclidean")


def nearest(embeddings: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Return the indices (n, k) of the k nearest other tiles of each row, in the order (squared distance, index).

    Rows for which the order of the quick search is not certain are searched again with exact distances.

    Args:
        embeddings: (N, D), finite
        rows: (n,) indices of the tiles whose neighbours are searched
        k: 1 to N - 1
    """
    indices, certain = quick_nearest(embeddings, rows, k)
    if not certain.all():
        indices[~certain] = exact_nearest(embeddings, rows[~certain], k)
    return indices


def quick_nearest(embeddings: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices (n, k) like `nearest`, and a mask (n,) bool of the rows for which their order is certain.

    Distances are computed by a matrix product. The last bits of each distance are replaced by the index of its tile, so
    that selecting and sorting handle a single number. A row is certain if the k + 1 nearest distances differ by more
    than the error of the product and the replaced bits together.
    """
    squares = np.einsum("nd,nd->n", embeddings, embeddings)
    distances = embeddings[rows] @ (-2 * embeddings.T)  # (n, N)
    distances += squares
    distances += squares[rows, None]
    np.maximum(distances, 0, out=distances)  # only bits of non-negative floats have the order of the values
    distances[np.arange(len(rows)), rows] = MAX_DISTANCE  # exclude the tile itself by index, never by rank
    bits = (len(embeddings) - 1).bit_length()
    keys = distances.view(np.int64)
    keys &= -(1 << bits)
    keys |= np.arange(len(embeddings))
    keys.partition(k, axis=1)
    keys = np.sort(keys[:, : k + 1], axis=1)
    limits = np.finfo(np.float64)
    error = limits.eps * (2**bits + 8 * embeddings.shape[1]) * 2 * (squares[rows] + squares.max()) + limits.tiny
    certain = (np.diff(keys.view(np.float64), axis=1) > error[:, None]).all(axis=1)
    return keys[:, :k] & ((1 << bits) - 1), certain


def exact_nearest(embeddings: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Return the indices (n, k) like `nearest`, from exact distances, with any ties."""
    distances = squared_distances(embeddings, rows)  # (n, N)
    distances[np.arange(len(rows)), rows] = np.inf  # exclude the tile itself by index, never by rank
    farthest = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]  # (n, 1), among the k nearest
    closer, tied = distances < farthest, distances == farthest
    missing = k - np.count_nonzero(closer, axis=1, keepdims=True)  # filled with the tied tiles of lowest index
    chosen = closer | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= missing))
    indices = np.nonzero(chosen)[1].reshape(len(rows), k)  # ascending, so a stable sort keeps the order of ties
    order = np.argsort(np.take_along_axis(distances, indices, axis=1), axis=1, kind="stable")
    return np.take_along_axis(indices, order, axis=1)
