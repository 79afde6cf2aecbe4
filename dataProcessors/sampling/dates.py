"""Dates of tiles: a map of several dates has a tile at each of them, wherever there is data.

Positions are (..., 2), column and row, where the map has a single date. Where it has several they are (..., 3), and the
third coordinate is the number of the date; number 0 is the date on which everything is scored. So a position without a
date means that one. A single date takes no random number, so that the draws are those of a map without dates.
"""

from collections.abc import Callable

import numpy as np

# date of each anchor (any shape), number of dates, generator -> date of each positive
PositiveDates = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def _same(dates: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    return dates


def _other(dates: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    return (dates + 1 + rng.integers(0, max(number - 1, 1), dates.shape)) % number


def _any(dates: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, number, dates.shape)


POSITIVE_DATES: dict[str, PositiveDates] = {"same": _same, "other": _other, "any": _any}
# which tiles (columns) the rule allows as positives of which (rows), by their dates (N,)
ALLOWED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "same": np.equal,
    "other": np.not_equal,
    "any": lambda rows, columns: np.ones(np.broadcast_shapes(rows.shape, columns.shape), bool),
}
CLUSTER_RULES = {"same": "same", "other": "any", "any": "any"}  # more tiles than dates cannot all be of other dates


def without_dates(positions: np.ndarray) -> np.ndarray:
    """Return column and row (..., 2) of positions."""
    return positions[..., :2]


def dates_of(positions: np.ndarray) -> np.ndarray:
    """Return the date (...,) of positions; 0 where they have none."""
    return positions[..., 2] if positions.shape[-1] > 2 else np.zeros(positions.shape[:-1], np.int64)


def at_dates(positions: np.ndarray, dates: np.ndarray, number: int) -> np.ndarray:
    """Return positions at other dates (...,); number: of dates, of which a single one is not written."""
    return np.concatenate([without_dates(positions), dates[..., None]], -1) if number > 1 else without_dates(positions)


def at_random_dates(positions: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Return positions, each at one of `number` dates, all of them equally likely."""
    return at_dates(positions, rng.integers(0, number, positions.shape[:-1]), number)


def at_all_dates(positions: np.ndarray, number: int) -> np.ndarray:
    """Return positions (N, ...) at each of `number` dates, date after date: (number N, ...)."""
    dates = np.repeat(np.arange(number), len(positions))
    return at_dates(np.concatenate([positions] * number), dates, number)


def allowed_dates(positions: np.ndarray, rule: str) -> np.ndarray:
    """Return which tiles (columns) may be positives of which (rows) by their dates alone: (N, N) bool."""
    dates = dates_of(positions)
    return ALLOWED[rule](dates[:, None], dates[None])
