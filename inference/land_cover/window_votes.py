"""What a simple model says of the windows of an embedded map, row by row: a map's votes do not all fit in memory."""

import numpy as np

from inference.core.embedded_map import EmbeddedMap
from inference.land_cover.simple_model import SimpleModel

CHUNK = 16_384  # windows that are predicted at once


class WindowVotes:
    """The votes of the windows of an embedded map, predicted in parts of whole rows.

    Each part is predicted once where rows are asked for from top to bottom; parts above are forgotten.

    Args:
        embedded: the embedded map, whose tiles are the windows
        model: predicts their votes
    """

    def __init__(self, embedded: EmbeddedMap, model: SimpleModel):
        self.embedded, self.model = embedded, model
        self.columns, self.part_rows = embedded.tiles.columns, max(1, CHUNK // embedded.tiles.columns)
        self._parts: dict[int, np.ndarray] = {}

    def rows(self, wanted: slice) -> np.ndarray:
        """Return the votes (r, columns, K) of some rows of windows; zeros for windows without enough data."""
        if wanted.stop <= wanted.start:
            return np.zeros((0, self.columns, len(self.model.legend)))
        numbers = range(wanted.start // self.part_rows, (wanted.stop - 1) // self.part_rows + 1)
        self._parts = {number: self._part(number) for number in numbers}
        first = numbers.start * self.part_rows
        return np.concatenate(list(self._parts.values()))[wanted.start - first : wanted.stop - first]

    def _part(self, number: int) -> np.ndarray:
        if number in self._parts:
            return self._parts[number]
        first = number * self.part_rows * self.columns
        tiles = slice(first, min(first + self.part_rows * self.columns, len(self.embedded.tiles)))
        return predict_tiles(self.embedded, self.model, np.arange(tiles.start, tiles.stop)).reshape(
            -1, self.columns, len(self.model.legend)
        )


def predict_tiles(embedded: EmbeddedMap, model: SimpleModel, tiles: np.ndarray) -> np.ndarray:
    """Return what a model says (n, K) of tiles (n,); zeros for those without enough data."""
    votes = np.zeros((len(tiles), len(model.legend)))
    valid = np.flatnonzero(embedded.valid[tiles])
    for start in range(0, len(valid), CHUNK):
        chunk = valid[start : start + CHUNK]
        votes[chunk] = model.predict(embedded.embeddings(tiles[chunk]))
    return votes
