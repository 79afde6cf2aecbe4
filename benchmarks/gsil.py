"""gSil is at least 4 times as fast as its plain form at 45 classes, no slower at 13, and needs less than 1 GB

The generalised silhouette of 5,000 embeddings of length 64, beside the plain O(N² K²) form in numpy: for every pair of
classes it computes one table of weights between a few tiles and all others, and takes the smallest of the mean
distances. Its tables fit into a core's cache, and both forms use all cores, by threads. A tile holds one to four
classes, as tiles of a map do; in the last rows, without a claim, every tile holds all 45 classes.

The plain form is measured on a random tenth of the tiles, each against all tiles, and its time is multiplied by ten,
because its cost is the same for every tile. Both forms compute the same value, which is checked on 300 tiles. The
memory is the peak of what Python and numpy use in addition to the data, in a call that is not timed.
"""

import tracemalloc
from collections.abc import Callable

import joblib
import numpy as np
from scipy.spatial.distance import cdist

from benchmarks.measure import Row, Setting, at_most, faster, format_number, in_turn
from evaluation import gsil
from evaluation.neighbours import map_chunks
from training.execution.device import usable_cores

LENGTH = 64  # of an embedding
MEASURED_SHARE = 0.1  # of the tiles, for the plain form
PLAIN_TABLES = 16  # the plain form's tables have so many times fewer elements than others, to fit into a core's cache


def measure(setting: Setting) -> list[Row]:
    """Measure seconds of both forms for few and for many classes, and the memory of this project's form."""
    count = setting.number(5_000, 300)
    with all_cores():
        rows = compare_forms(setting, "13 classes", *tiles(count, 13), claim=1)
        rows += compare_forms(setting, "45 classes", *tiles(count, 45), claim=4)
        return rows + compare_forms(setting, "all 45 classes in every tile", *tiles(count, 45, most=None), claim=None)


def all_cores() -> joblib.parallel_config:
    """Return a context in which metrics use all cores, as in an evaluation."""
    return joblib.parallel_config(backend="threading", n_jobs=usable_cores())


def tiles(count: int, classes: int, most: int | None = 4) -> tuple[np.ndarray, np.ndarray]:
    """Draw proportions (N, K), of 1 to `most` classes a tile, and related embeddings (N, D) float32 of length 1."""
    rng = np.random.default_rng(classes)
    proportions = rng.dirichlet(np.ones(classes), count)
    if most is not None:
        order = rng.permuted(np.tile(np.arange(classes), (count, 1)), axis=1)
        proportions *= order < rng.integers(1, most + 1, (count, 1))
        proportions /= proportions.sum(axis=1, keepdims=True)
    embeddings = rng.normal(size=(count, LENGTH)) + 2 * proportions @ rng.normal(size=(classes, LENGTH))
    return (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32), proportions


def compare_forms(setting: Setting, what: str, embeddings: np.ndarray, proportions: np.ndarray, claim: float | None):
    """Measure both forms in turn and return their rows; claim: least ratio of their speeds, None without a claim."""
    few = np.arange(min(len(embeddings), 300))
    plain_value = plain_silhouettes(embeddings[few], proportions[few], few).mean()
    assert abs(gsil(embeddings[few], proportions[few]) - plain_value) < 1e-9
    measured = np.random.default_rng(0).permutation(len(embeddings))[: round(MEASURED_SHARE * len(embeddings))]

    def ours() -> None:
        gsil(embeddings, proportions)

    def plain() -> float:
        plain_silhouettes(embeddings, proportions, measured)
        return len(measured) / len(embeddings)

    timings = in_turn({"ours": ours, "plain": plain}, setting.rounds)
    rows = [Row(f"{what}: plain form", timings["plain"].duration()), Row(f"{what}: gSil", timings["ours"].duration())]
    ratio = timings["ours"].times(timings["plain"])
    if claim is None:
        return [*rows, Row(f"{what}: faster", str(ratio))]
    return [*rows, faster(f"{what}: faster", ratio, claim), memory(f"{what}: memory", ours)]


def memory(what: str, function: Callable[[], object]) -> Row:
    """Return a row that claims that a call needs less than 1 GB in addition to its arguments."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return at_most(what, f"{format_number(peak / 1e6)} MB", peak / 1e9, 1, "GB")


def plain_silhouettes(embeddings: np.ndarray, proportions: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Compute silhouettes (n,) of the tiles `rows` with a table of weights (some, N) for every pair of classes."""
    columns = np.ascontiguousarray(proportions.T)  # (K, N)
    classes = len(columns)

    def silhouettes(some: np.ndarray) -> np.ndarray:
        distances = cdist(embeddings[some], embeddings)
        caps = [columns[r, some, None] for r in range(classes)]
        means = np.full((classes, classes, len(some)), np.inf)
        weights, crossed = np.empty_like(distances), np.empty_like(distances)
        for r in range(classes):
            for s in range(r, classes):
                np.minimum(caps[r], columns[s], out=weights)
                if r != s:
                    np.maximum(weights, np.minimum(caps[s], columns[r], out=crossed), out=weights)
                weights[np.arange(len(some)), some] = 0  # a tile is not compared with itself
                total, weighted = weights.sum(axis=1), np.einsum("nk,nk->n", weights, distances)
                np.divide(weighted, total, out=means[r, s], where=total > 0)
        a, b = means[np.diag_indices(classes)].min(axis=0), means[np.triu_indices(classes, 1)].min(axis=0)
        defined = np.isfinite(a) & np.isfinite(b)
        return np.divide(b - a, np.maximum(a, b), out=np.zeros(len(some)), where=defined)

    return np.concatenate(map_chunks(silhouettes, rows, PLAIN_TABLES * len(embeddings)))
