"""A hash of what a map shows, by which a run knows its maps again after they were moved or stored anew."""

import hashlib
from collections.abc import Callable

import numpy as np

from dataProcessors.prepared.prepared_map import PreparedMap
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.shown_bands import SHOWN_BANDS

SAMPLES, SIDE = 8, 64  # squares of SIDE pixels are sampled in SAMPLES rows and columns


def content_hash(read: Callable[[np.ndarray, int], np.ndarray], window: Window, prepared: PreparedMap | None) -> str:
    """Return a hash of a map's pixels in a window, at a cost that does not grow with the map.

    It takes squares at fixed places; of a prepared map also the counts of all blocks and the overview of its first
    bands, so that a change of the labels or the validity anywhere, or of a larger part of an image, is found.

    Args:
        read: positions (N, 2) and side -> tiles (N, C, side, side)
        window: the part of the map in use
        prepared: the prepared map; None: the pixels come from the map's own file
    """
    digest = hashlib.sha256()
    side = min(SIDE, window.width, window.height)
    columns, rows = (
        np.unique(np.linspace(start, start + length - side, SAMPLES).astype(np.int64))
        for start, length in ((window.x, window.width), (window.y, window.height))
    )
    for row in rows:
        positions = np.stack([columns, np.full_like(columns, row)], 1)  # (N, 2)
        digest.update(read(positions, side).tobytes())
    if prepared is not None:
        digest.update(prepared.summary.counts.tobytes())
        bands = len(prepared.overview) - prepared.has_validity
        digest.update(prepared.overview[: min(bands, SHOWN_BANDS)].tobytes())
        digest.update(prepared.overview[bands:].tobytes())
    return digest.hexdigest()[:32]
