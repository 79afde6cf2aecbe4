"""Class-balanced pools: the tiles on which simple models are fitted and scored, and those of supervised training.

Of a label map without classes, K = 0, every tile is taken, and there is nothing to balance.
"""

import hashlib
import json
import logging
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataProcessors.legends.legend import dominant
from dataProcessors.prepared.blocks import BLOCK, Summary
from dataProcessors.sampling.area import Area, SamplingError
from storage import atomic_write

log = logging.getLogger(__name__)
MAX_ROUNDS = 40  # of drawing tiles of the classes that are still too few
MIN_PROPOSED = 256  # positions per class in a round; twice as many after a round without a new tile of the class ...
PATIENCE = 4  # ... and after this many such rounds the class is given up
MAX_CANDIDATES = 50_000  # tiles of reserved cells whose labels are read; larger maps are sampled
MAX_PER_CLASS = 2_000  # candidates per class, from the blocks that hold most of it

POOLS = "pools"  # folder of the pools in the cache
# errors of reading a pool if the file is missing or damaged
DAMAGE_ERRORS = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)

ReadProportions = Callable[[np.ndarray], np.ndarray]  # positions (N, 2) -> proportions (N, K)


@dataclass(frozen=True)
class Pool:
    """Labelled tiles, each position once, in random order.

    Attributes:
        positions: (P, 2) int64; those of training on several dates (P, 3), see dataProcessors.sampling.dates
        proportions: (P, K) float32, every row sums to 1, unless K = 0
    """

    positions: np.ndarray
    proportions: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Dominant class of each tile: (P,) int64."""
        return dominant(self.proportions)

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, indices: np.ndarray) -> "Pool":
        """Return a pool of the tiles at these indices."""
        return Pool(self.positions[indices], self.proportions[indices])

    def save(self, path: Path, maps: Sequence[str] = ()) -> None:
        """Write the pool to a .npz file that appears complete or not at all. maps: see `maps_of_file`."""
        with atomic_write(path) as temporary:
            np.savez(temporary, positions=self.positions, proportions=self.proportions, maps=np.array(maps, str))

    @classmethod
    def load(cls, path: Path) -> "Pool":
        """Read a file written by `save`.

        Raises:
            ValueError: the file is damaged
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                return cls(content["positions"], content["proportions"])
        except DAMAGE_ERRORS as error:
            raise ValueError(f"{path} is damaged: {error}") from None


def maps_of_file(path: Path) -> set[str]:
    """Return the names of the prepared maps that the tiles of a saved pool lie on; none if they cannot be read.

    Files of features name their map in the same way.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            return set(content["maps"].tolist())
    except DAMAGE_ERRORS:
        return set()


def load_or_create_pool(path: Path | None, make: Callable[[], Pool], maps: Sequence[str] = ()) -> Pool:
    """Load the pool at `path`; create and save it if the file is missing or damaged. None: neither load nor save."""
    if path is not None and path.exists():
        try:
            return Pool.load(path)
        except ValueError as error:
            log.warning("%s. The pool is drawn again", error)
    pool = make()
    if path is not None:
        pool.save(path, maps)
    return pool


def pool_path(cache: Path, role: str, **identity: object) -> Path:
    """Return the file of a pool; its name differs for every other `identity`, which determines the content."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
    return cache / POOLS / f"{role}-{digest[:16]}.npz"


def training_pool(area: Area, summary: Summary, shares: ReadProportions, size: int, rng: np.random.Generator) -> Pool:
    """Draw `size` labelled tiles of the training area, or fewer if it holds fewer, class-balanced if the map allows.

    Tiles are first drawn anywhere; then, for classes that have too few, around the blocks that hold pixels of them, in
    proportion to their number: so a class that covers a ten-thousandth of the map is found too.

    Args:
        area: the training area
        summary: counts of each class per block of the label map
        shares: positions (N, 2) -> class proportions (N, K)
        size: number of tiles
        rng: generator of the draws
    """
    empty_rounds = dict.fromkeys(np.flatnonzero(summary.counts.any((1, 2))).tolist(), 0)  # of each class on the map
    found = _labelled(area.draw(size, rng), shares)
    for _ in range(MAX_ROUNDS):
        short = _missing(_tally(found), {c for c, rounds in empty_rounds.items() if rounds < PATIENCE}, size)
        if not short:
            break
        proposals = {c: max(4 * missing, MIN_PROPOSED) * 2 ** empty_rounds[c] for c, missing in short.items()}
        proposed = [_around_class(summary.counts[c], summary, area, n, rng) for c, n in proposals.items()]
        grown = _without_repetition(found, _labelled(np.concatenate(proposed), shares), list(short))
        gained = _tally(grown) - _tally(found)
        empty_rounds |= {c: 0 if gained[c] else empty_rounds[c] + 1 for c in short}
        found = grown
    return balance(found, size, rng)


def _missing(tally: np.ndarray, growing: set[int], size: int) -> dict[int, int]:
    """How many tiles each growing class is short of its part of the pool, which grows where others have no more."""
    others = [n for c, n in enumerate(tally.tolist()) if c not in growing]
    quota = -(-(size - sum(others)) // max(len(growing), 1))
    return {c: int(quota - tally[c]) for c in sorted(growing) if tally[c] < quota}


def score_pool(area: Area, summary: Summary, shares: ReadProportions, size: int, rng: np.random.Generator) -> Pool:
    """Draw up to `size` labelled tiles of the reserved cells, class-balanced if they allow; arguments as above."""
    candidates = area.scored_tiles()
    if len(candidates) > MAX_CANDIDATES:
        candidates = candidates[_promising(candidates, area.size, summary, rng)]
    return balance(_labelled(candidates, shares), size, rng)


def balance(pool: Pool, size: int, rng: np.random.Generator) -> Pool:
    """Return at most `size` tiles of a pool, in random order, with equal numbers per class as far as it has them."""
    shuffled = pool.take(rng.permutation(len(pool)))
    labels = shuffled.labels
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], labels[order])
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - first  # rank of a tile within its class
    chosen = np.argsort(rank, kind="stable")[:size]  # the first of every class, then the second of every class, ...
    return shuffled.take(rng.permutation(chosen))


def _labelled(positions: np.ndarray, shares: ReadProportions) -> Pool:
    pool = Pool(positions, shares(positions))
    if pool.proportions.shape[1]:
        pool = pool.take(np.flatnonzero(pool.proportions.sum(1) > 0))
    return pool.take(np.sort(np.unique(pool.positions, axis=0, return_index=True)[1]))


def _tally(pool: Pool) -> np.ndarray:
    return np.bincount(pool.labels + 1, minlength=pool.proportions.shape[1] + 1)[1:]  # without the label -1


def _without_repetition(found: Pool, more: Pool, short: list[int]) -> Pool:
    """Return `found` and those tiles of `more` that are new and of a class in `short`."""
    more = more.take(np.flatnonzero(np.isin(more.labels, short)))
    positions = np.concatenate([found.positions, more.positions])
    both = Pool(positions, np.concatenate([found.proportions, more.proportions]))
    return both.take(np.sort(np.unique(positions, axis=0, return_index=True)[1]))


def _around_class(counts: np.ndarray, summary: Summary, area: Area, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw about n positions (n', 2) of training tiles whose middle lies in a block with pixels of a class."""
    blocks = np.argwhere(counts > 0)[:, ::-1]  # (blocks, 2), column and row
    weights = counts[counts > 0].astype(float)
    chosen = blocks[rng.choice(len(blocks), n, p=weights / weights.sum())]
    middles = np.array(summary.window[:2]) + chosen * BLOCK + rng.integers(0, BLOCK, (n, 2))
    proposed = area.at_random_dates(middles - area.size // 2, rng)
    return proposed[area.accepts(proposed)]


def _promising(candidates: np.ndarray, size: int, summary: Summary, rng: np.random.Generator) -> np.ndarray:
    """Return indices of random candidates and, for each class, of those in the blocks that hold most of it."""
    columns, rows = ((candidates + size // 2 - summary.window[:2]) // BLOCK).T
    chosen = [rng.choice(len(candidates), MAX_CANDIDATES, replace=False)]
    order = rng.permutation(len(candidates))  # else, of equally good blocks, the last of the map would be chosen
    for counts in summary.counts:
        held = counts[rows, columns]
        best = order[np.argsort(held[order], kind="stable")[-MAX_PER_CLASS:]]
        chosen.append(best[held[best] > 0])
    return np.unique(np.concatenate(chosen))


def check_classes(pool: Pool, needed: int, purpose: str) -> None:
    """Raise a SamplingError if the pool's tiles have fewer than `needed` different labels."""
    classes = len(np.unique(pool.labels))
    if classes < needed:
        raise SamplingError(
            f"{purpose} needs tiles of at least {needed} classes; {classes} "
            f"{'is' if classes == 1 else 'are'} found in this part of the map. Choose another label map or rectangle."
        )
