"""gSil, the silhouette of tiles that belong to several classes at once: exact, and faster than N^2 K^2.

The weight of a pair of classes r < s is max(x, y) = x + y - min(x, y) of x = min(u_jr, u_ks), y = min(u_js, u_kr). So
its sum over the tiles k, with or without the distances d_jk, is the sum of two terms minus a third:
sum_k d_jk min(t, u_ks) at the cap t = u_jr, the same with r and s exchanged, and the overlap
sum_k d_jk min(v_j, v_k), v = min(u_.r, u_.s). The first two are computed by one pass over the tiles in the order of
u_.s, for all caps t at once; the overlap needs only the pairs of classes that tile j contains.
`python -m benchmarks gsil` compares the speed with the plain formula: the gain is large if each tile contains few of
many classes, and small if every tile contains all classes.

Tables over pairs are (n, K, K): the upper triangle holds the pairs r < s; the diagonal holds twice the sums within
class r (twice in the distances and in the weights, so their ratio is the mean); the lower triangle is not used.
"""

import numpy as np

from evaluation.neighbours import map_chunks, squared_distances
from evaluation.retrieval import mean, select_labelled


def gsil(embeddings: np.ndarray, proportions: np.ndarray) -> float:
    """Return the generalised silhouette in [-1, 1] (Rawashdeh & Ralescu 2012), the mean over the labelled tiles.

    d are Euclidean distances, u the proportions. For tile j, a_j is the minimum over the classes r of the mean d_jk
    over the other tiles k, weighted by min(u_jr, u_kr); b_j is the minimum over the pairs of classes r < s, weighted by
    max(min(u_jr, u_ks), min(u_js, u_kr)). A mean whose weights are all 0 is left out. s_j is (b - a)/max(a, b), and 0
    if a is undefined or both are 0; tiles whose b is undefined are left out; NaN if no tile remains. For crisp labels
    it equals scikit-learn's silhouette_score.

    Args:
        embeddings: (N, D)
        proportions: (N, K)
    Raises:
        ValueError: an embedding is not finite
    """
    embeddings, proportions = select_labelled(embeddings, proportions)
    weights = total_weights(proportions)  # (N, K, K)

    def scores(rows: np.ndarray) -> np.ndarray:
        distances = np.sqrt(squared_distances(embeddings, rows))  # (n, N)
        sums = weighted_distances(distances, proportions, rows)  # (n, K, K)
        means = np.divide(sums, weights[rows], out=np.full_like(sums, np.inf), where=weights[rows] > 0)
        return silhouettes(means)

    parts = map_chunks(scores, np.arange(len(proportions)), max(proportions.shape[0], 2 * proportions.shape[1] ** 2))
    return mean([part[~np.isnan(part)] for part in parts])


def silhouettes(means: np.ndarray) -> np.ndarray:
    """Return s_j (n,) from the mean distances (n, K, K), inf where undefined; NaN for a tile whose b is undefined."""
    classes = means.shape[1]
    a = np.diagonal(means, axis1=1, axis2=2).min(axis=1)
    b = means[:, *np.triu_indices(classes, 1)].min(axis=1, initial=np.inf)
    scored = np.isfinite(a) & np.isfinite(b) & (np.maximum(a, b) > 0)
    scores = np.where(np.isfinite(b), 0.0, np.nan)
    a, b = a[scored], b[scored]
    scores[scored] = (b - a) / np.maximum(a, b)
    return scores


def total_weights(proportions: np.ndarray) -> np.ndarray:
    """Return, for proportions (N, K), the sums over the other tiles of the weights of every pair of classes: (N, K, K).

    Exactly 0 if no other tile contributes to the pair, because the differences are then between equal floats.
    """
    crossed = [capped_sums(column, proportions) - np.minimum(column[:, None], proportions) for column in proportions.T]
    weights = np.stack(crossed, axis=2)  # (N, K, K)
    weights += weights.transpose(0, 2, 1).copy()
    for r, s in zip(*np.triu_indices(proportions.shape[1], 1)):
        overlap = np.minimum(proportions[:, r], proportions[:, s])  # (N,)
        both = np.flatnonzero(overlap)
        weights[both, r, s] -= capped_sums(overlap[both], overlap[both]) - overlap[both]
    return weights


def capped_sums(values: np.ndarray, caps: np.ndarray) -> np.ndarray:
    """Return sum_k min(cap, value_k) (...) of values (m,) for each of caps (...)."""
    ordered = np.sort(values)
    sums = np.concatenate([[0], np.cumsum(ordered)])
    below = np.searchsorted(ordered, caps)
    return sums[below] + caps * (len(values) - below)


def weighted_distances(distances: np.ndarray, proportions: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the sums of distances (n, N) from rows (n,), weighted for every pair of classes of (N, K): (n, K, K)."""
    own = proportions[rows]  # (n, K)
    padded = np.pad(distances, ((0, 0), (0, 1)))  # (n, N + 1), see capped_distances
    sums = np.stack([capped_distances(padded, column, own) for column in proportions.T], axis=2)  # (n, K, K)
    sums += sums.transpose(0, 2, 1).copy()
    columns = np.ascontiguousarray(proportions.T)  # (K, N)
    for pair_sums, to_all, shares in zip(sums, distances, own):
        present = np.flatnonzero(shares)
        common = np.minimum(shares[present, None], columns[present])  # (classes present, N)
        for i, r in enumerate(present[:-1]):
            pair_sums[r, present[i + 1 :]] -= np.minimum(common[i], common[i + 1 :]) @ to_all
    return sums


def capped_distances(distances: np.ndarray, shares: np.ndarray, caps: np.ndarray) -> np.ndarray:
    """Return sum_k d_jk min(cap, u_k) (n, K) of distances (n, N + 1), last column 0, shares u (N,) and caps (n, K).

    Sorted by share, each row is cut at its caps into K + 1 segments: below a cap the sum of d u counts, above it the
    cap times the sum of d.
    """
    present = np.flatnonzero(shares)
    present = present[np.argsort(shares[present])]
    near = np.take(distances, np.append(present, len(shares)), axis=1)  # (n, m + 1): a cut may be after the last tile
    order = np.argsort(caps, axis=1)
    ascending = np.take_along_axis(caps, order, axis=1)
    cuts = np.searchsorted(shares[present], ascending)  # (n, K)
    above = segment_sums(near, cuts)[:, ::-1].cumsum(axis=1)[:, -2::-1]
    near[:, :-1] *= shares[present]
    below = segment_sums(near, cuts)[:, :-1].cumsum(axis=1)
    sums = np.empty_like(caps)
    np.put_along_axis(sums, order, below + ascending * above, axis=1)
    return sums


def segment_sums(table: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Return the sums (n, K + 1) of the segments of a table (n, m + 1) between ascending cuts (n, K), in 0..m."""
    starts = np.pad(cuts, ((0, 0), (1, 0)))  # (n, K + 1)
    offsets = starts + np.arange(len(table))[:, None] * table.shape[1]
    sums = np.add.reduceat(table.ravel(), offsets.ravel()).reshape(starts.shape)
    sums[:, :-1][starts[:, :-1] == starts[:, 1:]] = 0  # for an empty segment reduceat returns the element at its start
    return sums
