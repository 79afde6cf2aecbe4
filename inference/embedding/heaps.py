"""How much memory glibc's malloc sets aside for the threads that read, compute and write."""

import ctypes
from contextlib import suppress

ARENA_MAX, HEAPS = -8, 2  # M_ARENA_MAX of malloc.h; heaps that all threads share


def limit_heaps() -> None:
    """Have all threads share two heaps. Elsewhere than with glibc nothing happens.

    Else each thread gets a heap of its own, in which buffers that other threads need stay free: embedding a map of
    20,000 pixels a side took 942 MB of private memory at its peak, and takes 906 MB so. It holds for the whole process.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(ARENA_MAX, HEAPS)
