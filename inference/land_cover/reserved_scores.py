"""How good a class map is: scored in the run's reserved cells, where neither network nor model has seen a pixel."""

import logging
import math

import numpy as np

from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.area import CELL
from evaluation.proportions import labelled, sum_error
from evaluation.scores import Score
from evaluation.segmentation import METRICS, class_map, has_several_classes, metric_and_spread, pixel_table
from inference.core.embedded_map import EmbeddedMap
from inference.core.tile_grid import TileGrid
from inference.land_cover.simple_model import SimpleModel
from inference.land_cover.window_votes import predict_tiles

log = logging.getLogger(__name__)


class NotScored(Exception):
    """Nothing can be scored; the message says why."""


class ReservedCells:
    """The windows of an embedded map that lie wholly in reserved cells of the run.

    No tile of them was trained on at any date, so that the image of any date may be scored there.

    Args:
        embedded: the embedded map, of an image of the run
        maps: the run's own maps
    Raises:
        NotScored: no window with enough data lies wholly in a cell

    Attributes:
        side: of a cell in pixels
        cells: (M, 2) upper-left pixels of the cells that hold a window
        tiles: the windows (n,) of each cell
    """

    def __init__(self, embedded: EmbeddedMap, maps: OpenMaps):
        self.grid, self.maps, self.side = embedded.tiles, maps, CELL * maps.area.size
        found = [(cell, tiles_inside(self.grid, cell, self.side)) for cell in maps.area.reserved_cells()]
        kept = [(cell, tiles[embedded.valid[tiles]]) for cell, tiles in found]
        kept = [(cell, tiles) for cell, tiles in kept if len(tiles)]
        if not kept:
            raise NotScored(
                f"no window with enough data lies wholly in one of {len(found)} reserved cells of {self.side} px; one "
                f"every {self.grid.stride} px is embedded, and a smaller --stride has more"
            )
        self.cells, self.tiles = np.array([cell for cell, _ in kept]), [tiles for _, tiles in kept]

    def class_scores(self, embedded: EmbeddedMap, model: SimpleModel, seed: int) -> list[Score]:
        """Return the scores of a class map of these windows alone, blended in each cell.

        Raises:
            NotScored: the cells have no label, or a single class
        """
        ends = np.cumsum([len(tiles) for tiles in self.tiles])[:-1]
        votes = np.split(predict_tiles(embedded, model, np.concatenate(self.tiles)), ends)
        tables = np.stack([self._table(*each) for each in zip(self.cells, self.tiles, votes)])
        tables = tables[tables.any((1, 2))]
        if not has_several_classes(tables):
            raise NotScored("the windows in the reserved cells have no label, or a single class")
        return [
            Score("trained", "segmentation", model.name, name, *metric_and_spread(tables, metric, seed))
            for name, metric in METRICS.items()
        ]

    def proportion_scores(self, embedded: EmbeddedMap, model: SimpleModel) -> list[Score]:
        """Return the score of the proportions of these windows; it has no spread.

        Raises:
            NotScored: none of them has a label
        """
        tiles = np.concatenate(self.tiles)
        truth = self.maps.labels.proportions(self.grid.positions(tiles), self.grid.size)
        if not labelled(truth).any():
            raise NotScored("the windows in the reserved cells have no label")
        error = sum_error(predict_tiles(embedded, model, tiles), truth)
        return [Score("trained", "multi_class", model.name, "sum_error", error, math.nan)]

    def _table(self, cell: np.ndarray, tiles: np.ndarray, votes: np.ndarray) -> np.ndarray:
        predicted = class_map(self.grid.positions(tiles) - cell, votes, self.grid.size, self.side, self.side)
        return pixel_table(self.maps.labels.read(cell, self.side)[0, 0], predicted, votes.shape[1])


def tiles_inside(grid: TileGrid, corner: np.ndarray, side: int) -> np.ndarray:
    """Return the tiles (n,) of a grid that lie wholly in a square. corner: (2,) its upper-left pixel on the map."""
    offset = corner - grid.window[:2]
    first = np.maximum(-(-offset // grid.stride), 0)
    last = np.minimum((offset + side - grid.size) // grid.stride, [grid.columns - 1, grid.rows - 1])
    columns, rows = (np.arange(low, high + 1) for low, high in zip(first, last))
    return (rows[:, None] * grid.columns + columns).reshape(-1)
