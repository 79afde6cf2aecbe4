"""Paired differences between two rows of a grid."""

from math import nan

from evaluation.differences import Difference, paired_difference
from grid.results import Row


def row_difference(row: Row, reference: Row, tag: str) -> Difference:
    """Return the difference of two rows in the score with this tag, over the seeds that both have.

    A pair is a draw of a seed; without the values of draws, the mean over the draws of a seed.
    """
    pairs = [_values_of_seed(row, reference, tag, seed) for seed in sorted(row.values(tag))]
    return paired_difference(tag, *([pair[side] for pair in pairs] for side in (0, 1)))


def _values_of_seed(row: Row, reference: Row, tag: str, seed: int) -> tuple[list[float], list[float]]:
    """Return the values of both in each draw; without equally many draws, the means over them."""
    ours, theirs = (each.draws.get(tag, {}).get(seed, []) for each in (row, reference))
    if ours and len(ours) == len(theirs):
        return ours, theirs
    return [row.values(tag).get(seed, nan)], [reference.values(tag).get(seed, nan)]
