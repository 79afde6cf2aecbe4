"""The part of a step's tiles that each of several processes reads."""

from dataclasses import dataclass
from typing import Any, TypeVar

Sequence = TypeVar("Sequence", bound=Any)  # an array, a tensor or a list


@dataclass(frozen=True)
class Share:
    """Every `number`-th element of a sequence, from `rank` on: element i belongs to process i modulo `number`.

    Shares are interleaved, so that each has tiles of every role and of every cluster. Where the number of tuples can be
    divided by that of the processes, all tiles of a tuple are in one share.

    Attributes:
        rank: of the process, 0 to number - 1
        number: of processes
    """

    rank: int = 0
    number: int = 1

    def of(self, whole: Sequence) -> Sequence:
        """Return the elements of a sequence that belong to this share."""
        return whole[self.rank :: self.number]


WHOLE = Share()
