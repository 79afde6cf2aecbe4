"""Class-balanced pools: the tiles on which simple models are fitted and scored, and supervised training draws from."""

import hashlib
import json
import logging
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataProcessors.legends.legend import dominant
from dataProcessors.prepared.blocks import BLOCK, Summary
from dataProcessors.sampling.area import Area, SamplingError
from storage import atomic_write

log = logging.getLogger(__name__)
ROUNDS = 40  # of looking for tiles of the classes that are still short
MIN_PROPOSED = 256  # places for a class in a round; twice as many after a round without a new tile of it ...
PATIENCE = 4  # ... and after so many such rounds the map is taken to have no more
MAX_CANDIDATES = 50_000  # tiles of reserved cells whose labels are read; on larger maps those are chosen
PER_CLASS = 2_000  # of them for each class: those in the blocks that hold most of it

LabelShares = Callable[[np.ndarray], np.ndarray]  # positions (N, 2) -> proportions (N, K)


@dataclass(frozen=True)
class Pool:
    """Labelled tiles, each position once, in random order.

    Attributes:
        positions: (P, 2) int64
        proportions: (P, K) float32, every row sums to 1
    """

    positions: np.ndarray
    proportions: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Dominant class of each tile: (P,) int64."""
        return dominant(self.proportions)

    def __len__(self):
        return len(self.positions)

    def take(self, indices: np.ndarray) -> "Pool":
        """The pool of these tiles."""
        return Pool(self.positions[indices], self.proportions[indices])

    def save(self, path: Path) -> None:
        """Write the pool to a .npz file, which appears whole."""
        with atomic_write(path) as temporary:
            np.savez(temporary, positions=self.positions, proportions=self.proportions)

    @classmethod
    def load(cls, path: Path) -> "Pool":
        """Read what `save` wrote.

        Raises:
            ValueError: the file is damaged
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                return cls(content["positions"], content["proportions"])
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path} is damaged: {error}") from None


def load_or_make_pool(path: Path | None, make: Callable[[], Pool]) -> Pool:
    """The pool that lies at `path`, made and saved if there is no whole one; None: neither looked for nor saved."""
    if path is not None and path.exists():
        try:
            return Pool.load(path)
        except ValueError as error:
            log.warning("%s. It is made again", error)
    pool = make()
    if path is not None:
        pool.save(path)
    return pool


def pool_path(cache: Path, role: str, **identity) -> Path:
    """Where a pool is kept: changes with everything that its content depends on."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
    return cache / "pools" / f"{role}-{digest[:16]}.npz"


def training_pool(area: Area, summary: Summary, shares: LabelShares, size: int, rng: np.random.Generator) -> Pool:
    """`size` labelled tiles of the training area, fewer where it holds fewer, class-balanced as far as the map allows.

    Tiles are first drawn anywhere; for a class that is short then, around the blocks that hold pixels of it, in
    proportion to how many: so a class that covers a ten-thousandth of the map is found too.

    Args:
        area: the training area
        summary: counts of each class per block of the label map
        shares: positions (N, 2) -> class proportions (N, K)
        size: tiles wanted
        rng: what the tiles are drawn with
    """
    fruitless = dict.fromkeys(np.flatnonzero(summary.counts.any((1, 2))).tolist(), 0)  # rounds, of each class present
    found = _labelled(area.draw(size, rng), shares)
    for _ in range(ROUNDS):
        short = _missing(_tally(found), {c for c, rounds in fruitless.items() if rounds < PATIENCE}, size)
        if not short:
            break
        places = {c: max(4 * missing, MIN_PROPOSED) * 2 ** fruitless[c] for c, missing in short.items()}
        proposed = [_around_class(summary.counts[c], summary, area, n, rng) for c, n in places.items()]
        grown = _without_repetition(found, _labelled(np.concatenate(proposed), shares), list(short))
        gained = _tally(grown) - _tally(found)
        fruitless |= {c: 0 if gained[c] else fruitless[c] + 1 for c in short}
        found = grown
    return balanced(found, size, rng)


def _missing(tally: np.ndarray, growing: set[int], size: int) -> dict[int, int]:
    """How many tiles each growing class is short of its part of the pool, which grows where others have no more."""
    others = [n for c, n in enumerate(tally.tolist()) if c not in growing]
    quota = -(-(size - sum(others)) // max(len(growing), 1))
    return {c: int(quota - tally[c]) for c in sorted(growing) if tally[c] < quota}


def score_pool(area: Area, summary: Summary, shares: LabelShares, size: int, rng: np.random.Generator) -> Pool:
    """Up to `size` labelled tiles of the reserved cells, class-balanced as far as they allow; arguments as above."""
    candidates = area.scored_tiles()
    if len(candidates) > MAX_CANDIDATES:
        candidates = candidates[_promising(candidates, area.size, summary, rng)]
    return balanced(_labelled(candidates, shares), size, rng)


def balanced(pool: Pool, size: int, rng: np.random.Generator) -> Pool:
    """At most `size` tiles of a pool, in random order, every class as often as the others or with all it has."""
    shuffled = pool.take(rng.permutation(len(pool)))
    labels = shuffled.labels
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], labels[order])
    place = np.empty(len(labels), np.int64)
    place[order] = np.arange(len(labels)) - first  # the how-manieth of its class a tile is
    chosen = np.argsort(place, kind="stable")[:size]  # the first of every class, then the second of every class, ...
    return shuffled.take(rng.permutation(chosen))


def _labelled(positions: np.ndarray, shares: LabelShares) -> Pool:
    pool = Pool(positions, shares(positions))
    pool = pool.take(np.flatnonzero(pool.proportions.sum(1) > 0))
    return pool.take(np.sort(np.unique(pool.positions, axis=0, return_index=True)[1]))


def _tally(pool: Pool) -> np.ndarray:
    return np.bincount(pool.labels, minlength=pool.proportions.shape[1])


def _without_repetition(found: Pool, more: Pool, short: list[int]) -> Pool:
    """`found` and those tiles of `more` that are new and of a class that is short."""
    more = more.take(np.flatnonzero(np.isin(more.labels, short)))
    positions = np.concatenate([found.positions, more.positions])
    both = Pool(positions, np.concatenate([found.proportions, more.proportions]))
    return both.take(np.sort(np.unique(positions, axis=0, return_index=True)[1]))


def _around_class(counts: np.ndarray, summary: Summary, area: Area, n: int, rng: np.random.Generator) -> np.ndarray:
    """About n places (n', 2) of training tiles whose middle lies in a block with pixels of a class."""
    blocks = np.argwhere(counts > 0)[:, ::-1]  # (blocks, 2), column and row
    weights = counts[counts > 0].astype(float)
    chosen = blocks[rng.choice(len(blocks), n, p=weights / weights.sum())]
    middles = np.array(summary.window[:2]) + chosen * BLOCK + rng.integers(0, BLOCK, (n, 2))
    proposed = middles - area.size // 2
    return proposed[area.accepts(proposed)]


def _promising(candidates: np.ndarray, size: int, summary: Summary, rng: np.random.Generator) -> np.ndarray:
    """Indices of a random part of the candidates and, for each class, of those in the blocks that hold most of it."""
    columns, rows = ((candidates + size // 2 - summary.window[:2]) // BLOCK).T
    chosen = [rng.choice(len(candidates), MAX_CANDIDATES, replace=False)]
    order = rng.permutation(len(candidates))  # or of blocks that hold as much the last of the map would be taken
    for counts in summary.counts:
        held = counts[rows, columns]
        best = order[np.argsort(held[order], kind="stable")[-PER_CLASS:]]
        chosen.append(best[held[best] > 0])
    return np.unique(np.concatenate(chosen))


def require_classes(pool: Pool, needed: int, purpose: str) -> None:
    """Raise SamplingError unless the pool's tiles have at least `needed` different labels."""
    classes = len(np.unique(pool.labels))
    if classes < needed:
        raise SamplingError(
            f"{purpose} needs tiles of at least {needed} classes; {classes} "
            f"{'is' if classes == 1 else 'are'} found in this part of the map. Choose another label map or rectangle."
        )
