"""How many tiles go through a network at once outside training."""

import numpy as np

MAX_BATCH_PIXELS = 2_500_000  # pixels per band in one forward pass of an evaluation


def max_batch(size: int) -> int:
    """Return the maximal number of tiles of size x size pixels in one forward pass."""
    return max(1, MAX_BATCH_PIXELS // size**2)


def in_batches(positions: np.ndarray, size: int) -> list[np.ndarray]:
    """Split positions (N, 2) into batches of at most `max_batch` tiles."""
    step = max_batch(size)
    return [positions[i : i + step] for i in range(0, len(positions), step)]
