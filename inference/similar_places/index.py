"""An index over the embeddings of a large map, by faiss, an optional library: candidates without reading all vectors.

Tiles are assigned to the nearest of some centres, and kept with 8 bits for each value. A search looks at the nearest
centres' tiles only (Jégou et al. 2011, "Product quantization for nearest neighbor search", section 4; without the
product), so that it may miss a tile. How many lists are searched is chosen when the index is made: as many as find
RECALL of the most similar tiles of a sample. What is found is compared exactly.
"""

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from inference.core.embedded_map import VECTORS, EmbeddedMap
from inference.similar_places.candidates import FACTOR, Candidates, Ranked, ranked
from inference.similar_places.similarity import Similarity
from storage import staged, storage_error

log = logging.getLogger(__name__)
REQUIREMENTS = "faiss-cpu==1.15.1"
INDEX = "tiles.faiss"
MIN_TILES = 4_000_000  # from which on an index is used unless the user says otherwise: below, reading all takes < 0.2 s
RECALL = 0.97  # share of the NEIGHBOURS most similar tiles that is found of QUERIES tiles of the map
NEIGHBOURS, QUERIES = 20, 128
SAMPLE = 64  # vectors for each list, from which the lists are made


def index_candidates(embedded: EmbeddedMap, similarity: Similarity, asked: bool | None = None) -> Candidates | None:
    """Return the candidates that an index finds; None where none is wanted or, with a line in the log, possible.

    asked: whether an index is wanted; None: if there are MIN_TILES or more.
    """
    if not (len(embedded.tiles) >= MIN_TILES if asked is None else asked):
        return None
    faiss, point = _library(), similarity.nearest_to
    if point is None:
        log.info("No index is used: counter-examples with embeddings that have no unit length. All tiles are compared")
    if faiss is None or point is None or not embedded.valid.any():
        return None
    index = _open(faiss, embedded)
    lists = index.nprobe

    def candidates(n: int) -> Ranked:
        times = -(-n // (FACTOR * NEIGHBOURS))  # as many as the lists were chosen for
        index.nprobe = index.nlist if n > index.ntotal else min(times * lists, index.nlist)
        tiles = index.search(point[None].astype(np.float32), min(n, index.ntotal))[1][0]
        while tiles[-1] < 0 and index.nprobe < index.nlist:  # the lists that were searched hold too few
            index.nprobe = min(2 * index.nprobe, index.nlist)
            tiles = index.search(point[None].astype(np.float32), min(n, index.ntotal))[1][0]
        return ranked(tiles, similarity.of(embedded.embeddings(tiles)), n >= index.ntotal)

    return candidates


def _library() -> ModuleType | None:
    if sys.platform == "darwin":  # faiss and torch in one process crash there: both bring their own OpenMP
        log.info("No index is used: faiss and torch do not work in one process on macOS. All tiles are compared")
        return None
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which instructions of the processor it tries
    try:
        import faiss
    except ImportError:
        log.info("No index is used: faiss is not installed (pip install %s). All tiles are compared", REQUIREMENTS)
        return None
    return faiss


def _open(faiss: Any, embedded: EmbeddedMap) -> Any:
    """Open the index of an embedded map, mapped into memory; make it if it is missing, damaged or older than that."""
    path = embedded.folder / INDEX
    known = int(np.count_nonzero(embedded.valid))
    if path.exists() and path.stat().st_mtime_ns >= (embedded.folder / VECTORS).stat().st_mtime_ns:
        try:
            index = _mapped(faiss, path)
            if (index.ntotal, index.d) == (known, embedded.dimensions):
                return index
        except RuntimeError as error:
            log.warning("%s: is damaged and made again (%s)", path, str(error).partition("\n")[0])
    _make(faiss, embedded, known, path)
    return _mapped(faiss, path)


def _mapped(faiss: Any, path: Path) -> Any:
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)


def _lists_to_search(faiss: Any, index: Any, embedded: EmbeddedMap, tiles: np.ndarray) -> tuple[int, float]:
    """Return how many lists find RECALL of the tiles that are nearest to those of a sample, and what share they find.

    tiles: (n,) of the index
    """
    sample = np.random.default_rng(0).choice(tiles, min(QUERIES, len(tiles)), replace=False)
    points = embedded.embeddings(sample)
    nearest = _nearest(faiss, embedded, points)
    recall = 0.0
    while True:
        found = index.search(points, min(FACTOR * NEIGHBOURS, index.ntotal))[1]
        recall = float(np.mean([np.isin(*each) for each in zip(nearest, found)]))
        if recall >= RECALL or index.nprobe == index.nlist:
            return index.nprobe, recall
        index.nprobe = min(2 * index.nprobe, index.nlist)


def _nearest(faiss: Any, embedded: EmbeddedMap, points: np.ndarray) -> np.ndarray:
    """Return the NEIGHBOURS tiles (Q, n) that are nearest to points (Q, D), by comparing all."""
    found = []
    for chunk in embedded.chunks():
        valid = chunk.start + np.flatnonzero(embedded.valid[chunk])
        if len(valid):
            distances, rows = faiss.knn(points, embedded.embeddings(valid), min(NEIGHBOURS, len(valid)))
            found.append((distances, valid[rows]))
    distances, tiles = (np.concatenate(each, 1) for each in zip(*found))
    return np.take_along_axis(tiles, np.argsort(distances, 1)[:, :NEIGHBOURS], 1)


def _make(faiss: Any, embedded: EmbeddedMap, known: int, path: Path) -> None:
    lists = 1 << round(np.log2(known) / 2)  # about the root, a power of two
    log.info("%s: made for %s tiles in %d lists, once", path, f"{known:,}", lists)
    index = faiss.index_factory(embedded.dimensions, f"IVF{lists},SQ8", faiss.METRIC_L2)  # ties by rising index
    index.cp.min_points_per_centroid = 1  # of a small map there are fewer than faiss likes
    tiles = np.flatnonzero(embedded.valid)
    index.train(embedded.embeddings(tiles[:: max(1, known // (SAMPLE * lists))]))
    for chunk in embedded.chunks():
        valid = np.flatnonzero(embedded.valid[chunk])
        if len(valid):
            index.add_with_ids(embedded.embeddings(chunk.start + valid), chunk.start + valid)
    index.nprobe, recall = _lists_to_search(faiss, index, embedded, tiles)  # it is kept in the file
    log.info(
        "%d of the lists are searched for each tile; of the %d most similar ones they hold %.3f",
        index.nprobe, NEIGHBOURS, recall,
    )  # fmt: skip
    with staged(path) as folder:
        try:
            faiss.write_index(index, str(folder / path.name))
        except RuntimeError as error:  # such as a full disk
            raise storage_error(path, error) from None
