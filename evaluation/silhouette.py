"""gSil, the silhouette of tiles that belong to several classes at once, exact and without its N^2 K^2 cost.

The weight of a pair of classes r < s is max(x, y) = x + y - min(x, y) of x = min(u_jr, u_ks), y = min(u_js, u_kr). So
its sum over the tiles k, with or without the distances d_jk, falls into three: sum_k d_jk min(t, u_ks) at the cap
t = u_jr, the same with r and s exchanged, and the overlap sum_k d_jk min(v_j, v_k), v = min(u_.r, u_.s). The first two
come from one pass over the tiles in the order of u_.s, for all caps t at once; the overlap touches only the pairs of
classes that tile j holds. `python -m benchmarks gsil` measures what that gains over the plain form: most where a tile
holds few of many classes, little where every tile holds all.

Tables over pairs are (n, K, K): the upper triangle holds the pairs r < s, the diagonal twice the sums within class r
(twice in the distances and in the weights, so their ratio is the mean), the lower triangle nothing of use.
"""

import numpy as np

from evaluation.neighbours import by_chunks, squared_distances
from evaluation.retrieval import mean, with_proportions


def gsil(embeddings: np.ndarray, proportions: np.ndarray) -> float:
    """Generalised silhouette (Rawashdeh & Ralescu 2012), mean over the labelled tiles: a float in [-1, 1].

    embeddings: (N, D), Euclidean distances d. proportions u: (N, K). For tile j, a_j is the least over the classes r of
    the mean d_jk over the other tiles k weighted by min(u_jr, u_kr), b_j the least over the pairs of classes r < s
    weighted by max(min(u_jr, u_ks), min(u_js, u_kr)); a mean whose weights are all 0 takes no part. s_j is
    (b - a)/max(a, b), 0 if a is undefined or both are 0; tiles without a b leave the mean, NaN if none is left.
    Crisp labels: equal to scikit-learn's silhouette_score. Raises ValueError if an embedding is not finite.
    """
    embeddings, proportions = with_proportions(embeddings, proportions)
    weights = total_weights(proportions)  # (N, K, K)

    def scores(rows: np.ndarray) -> np.ndarray:
        distances = np.sqrt(squared_distances(embeddings, rows))  # (n, N)
        sums = weighted_distances(distances, proportions, rows)  # (n, K, K)
        means = np.divide(sums, weights[rows], out=np.full_like(sums, np.inf), where=weights[rows] > 0)
        return silhouettes(means)

    parts = by_chunks(scores, np.arange(len(proportions)), max(proportions.shape[0], 2 * proportions.shape[1] ** 2))
    return mean([part[~np.isnan(part)] for part in parts])


def silhouettes(means: np.ndarray) -> np.ndarray:
    """s_j (n,) from the mean distances (n, K, K), inf where undefined; NaN for a tile without a defined pair."""
    classes = means.shape[1]
    a = np.diagonal(means, axis1=1, axis2=2).min(axis=1)
    b = means[:, *np.triu_indices(classes, 1)].min(axis=1, initial=np.inf)
    scored = np.isfinite(a) & np.isfinite(b) & (np.maximum(a, b) > 0)
    scores = np.where(np.isfinite(b), 0.0, np.nan)
    a, b = a[scored], b[scored]
    scores[scored] = (b - a) / np.maximum(a, b)
    return scores


def total_weights(proportions: np.ndarray) -> np.ndarray:
    """Sums over the other tiles of the weights of every pair of classes, for proportions (N, K): (N, K, K).

    Exactly 0 where no other tile has a part in the pair: the differences are then of equal floats.
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
    """sum_k min(cap, value_k) of values (m,) for each of caps (...): (...)."""
    ordered = np.sort(values)
    sums = np.concatenate([[0], np.cumsum(ordered)])
    below = np.searchsorted(ordered, caps)
    return sums[below] + caps * (len(values) - below)


def weighted_distances(distances: np.ndarray, proportions: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Sums of the distances (n, N) from rows (n,) times the weights of every pair of classes of (N, K): (n, K, K)."""
    own = proportions[rows]  # (n, K)
    padded = np.pad(distances, ((0, 0), (0, 1)))  # (n, N + 1), see capped_distances
    sums = np.stack([capped_distances(padded, column, own) for column in proportions.T], axis=2)  # (n, K, K)
    sums += sums.transpose(0, 2, 1).copy()
    columns = np.ascontiguousarray(proportions.T)  # (K, N)
    for pair_sums, to_all, shares in zip(sums, distances, own):
        held = np.flatnonzero(shares)
        common = np.minimum(shares[held, None], columns[held])  # (classes held, N)
        for i, r in enumerate(held[:-1]):
            pair_sums[r, held[i + 1 :]] -= np.minimum(common[i], common[i + 1 :]) @ to_all
    return sums


def capped_distances(distances: np.ndarray, shares: np.ndarray, caps: np.ndarray) -> np.ndarray:
    """sum_k d_jk min(cap, u_k) of the distances (n, N + 1), last column 0, and shares u (N,) for caps (n, K): (n, K).

    In the order of the shares each row is cut at its caps into K + 1 segments: below the cap sum d u counts, above it
    cap times sum d.
    """
    held = np.flatnonzero(shares)
    held = held[np.argsort(shares[held])]
    near = np.take(distances, np.append(held, len(shares)), axis=1)  # (n, m + 1): a cut may lie behind the last tile
    order = np.argsort(caps, axis=1)
    ascending = np.take_along_axis(caps, order, axis=1)
    cuts = np.searchsorted(shares[held], ascending)  # (n, K)
    above = segment_sums(near, cuts)[:, ::-1].cumsum(axis=1)[:, -2::-1]
    near[:, :-1] *= shares[held]
    below = segment_sums(near, cuts)[:, :-1].cumsum(axis=1)
    sums = np.empty_like(caps)
    np.put_along_axis(sums, order, below + ascending * above, axis=1)
    return sums


def segment_sums(table: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Sums (n, K + 1) of the segments into which ascending cuts (n, K), in 0..m, cut the rows of table (n, m + 1)."""
    starts = np.pad(cuts, ((0, 0), (1, 0)))  # (n, K + 1)
    offsets = starts + np.arange(len(table))[:, None] * table.shape[1]
    sums = np.add.reduceat(table.ravel(), offsets.ravel()).reshape(starts.shape)
    sums[:, :-1][starts[:, :-1] == starts[:, 1:]] = 0  # of an empty segment reduceat gives the element at its start
    return sums
