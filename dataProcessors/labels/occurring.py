"""Which codes occur in a label map, and how often."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dataProcessors.labels.label_source import LabelSource
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.opening import add_path_to_errors

MAX_DIFFERENT = 65536  # codes; a file with more of them holds no classes, and is not read to its end


def occurring_codes(source: LabelSource, threads: int = 1) -> dict[int, int]:
    """Count the codes of the pixels with data in the whole file: code -> pixels, sorted.

    The whole file, so that the classes are the same for every part of it that is used. Whole blocks are decoded, each
    once and on any thread. The count stops beyond MAX_DIFFERENT codes.
    """
    found: Counter[int] = Counter()
    with add_path_to_errors(source.path), ThreadPoolExecutor(threads) as pool:
        parts = list(source.native_parts(source.native_grid.window))
        for start in range(0, len(parts), 4 * threads):  # not all at once: their counts would wait in memory
            for codes, counts in pool.map(lambda part: _count(source, part), parts[start : start + 4 * threads]):
                found.update(dict(zip(codes.tolist(), counts.tolist())))
            if len(found) > MAX_DIFFERENT:
                break
    return dict(sorted(found.items()))


def _count(source: LabelSource, part: Window) -> tuple[np.ndarray, np.ndarray]:
    values, valid = source.read_native(part)
    there = values[0][valid]
    if there.dtype in (np.uint8, np.uint16):  # many times faster than sorting
        counts = np.bincount(there, minlength=1)
        return np.flatnonzero(counts), counts[counts > 0]
    return np.unique(there, return_counts=True)
