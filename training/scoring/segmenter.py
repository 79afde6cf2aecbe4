"""Segmentation: which windows of the map are predicted, and how good the predictions of the simple models are."""

import logging
from functools import cached_property
from typing import Any

import numpy as np

from config import Config
from dataProcessors.legends.legend import NO_LABEL, dominant
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.area import CELL, SamplingError
from dataProcessors.sampling.batches import Reader
from evaluation.models import CLASSIFIERS, fit_predict_votes
from evaluation.process import Call, call_here
from evaluation.proportions import reaches
from evaluation.scores import Evaluation, Score, Settings
from evaluation.segmentation import (
    COARSENED,
    METRICS,
    Region,
    Segmentation,
    class_map,
    has_several_classes,
    metric_and_spread,
    one_hot,
    pixel_table,
    window_positions,
)

log = logging.getLogger(__name__)
MAX_PIXELS = 2048  # maximal side of the region, unless a reserved cell is larger
SEED = 5  # makes the random choice of cells independent of other draws with the run's seed


class Segmenter:
    """Predicts classes in sliding windows of `image_size`: in reserved cells, to score, and in a region, to show.

    Args:
        config: config of the run
        maps: tiles of the image map and of the label map, and the reserved cells
    Raises:
        SamplingError: no reserved cell has both a label and a window with enough data

    Attributes:
        cells: (M, 2) upper-left pixels of the scored cells, from top to bottom
        windows: (W, 2) positions of all windows: cell by cell, then those of the region
    """

    def __init__(self, config: Config, maps: OpenMaps):
        self.maps, self.size, self.seed = maps, config.image_size, config.seed
        self.models, self.classes = config.single_class_classifiers, len(maps.labels.legend)
        self.stride = config.segmentation_stride or self.size // 2
        self.side = CELL * self.size
        self.cells, class_counts = self._choose_cells(config.segmentation_cells)
        self.corner, self.shape = self._place_region(config.segmentation_region, class_counts)
        patches = [self._windows(cell, self.side, self.side) for cell in self.cells]
        patches.append(self._windows(self.corner, *self.shape))
        self.windows = np.concatenate(patches)
        self._parts = np.cumsum([len(patch) for patch in patches])[:-1]
        log.info(
            "segmentation: %s windows in %d reserved cells and in a region of %d x %d pixels",
            f"{len(self.windows):,}", len(self.cells), *self.shape[::-1],
        )  # fmt: skip

    def segment(
        self, fit: np.ndarray, proportions: np.ndarray, windows: np.ndarray, settings: Settings, call: Call = call_here
    ) -> dict[str, Segmentation]:
        """Return classifier -> its segmentation; {} if there is no labelled tile to fit on.

        Args:
            fit: (F, D) features of the tiles to fit on
            proportions: (F, K) class proportions of the same tiles
            windows: (W, D) features of all windows
            settings: settings of the evaluation
            call: calls what takes long, in this process or in another
        """
        used = reaches(proportions, settings.threshold)
        if not used.any():
            return {}
        labels = proportions[used].argmax(axis=1)
        segmentation: dict[str, Segmentation] = {}
        for name in self.models:
            votes = call(fit_predict_votes_of, name, settings, fit[used], labels, windows, self.classes)
            *cells, region = np.split(votes, self._parts)
            segmentation[name] = Segmentation(self._tables(cells), region)
        return segmentation

    def scores(self, features: str, segmentation: dict[str, Segmentation]) -> list[Score]:
        """Return every metric of every classifier; NaN if it could not be fitted, or if there is a single class."""
        empty = np.zeros((0, self.classes, self.classes), np.int64)
        tables = {name: segmentation[name].tables if name in segmentation else empty for name in self.models}
        tables = {name: table if has_several_classes(table) else empty for name, table in tables.items()}
        return [
            Score(features, "segmentation", name, metric, *metric_and_spread(tables[name], function, self.seed))
            for name in self.models
            for metric, function in METRICS.items()
        ]

    @cached_property
    def coarsened(self) -> Evaluation:
        """The scores of predicting the true dominant class of every window, to compare each classifier with.

        A classifier may score higher, because its probabilities describe a window better than a single class.
        """
        segmentation = Segmentation(self._coarsened_tables, np.zeros((0, self.classes)))
        scores = self.scores(COARSENED, dict.fromkeys(self.models, segmentation))
        return Evaluation(COARSENED, scores, {}, {}, np.zeros((0, self.classes)))

    def region(self, segmentation: dict[str, Segmentation]) -> Region:
        """Return the region with the prediction of each classifier."""
        positions, (height, width) = self.windows[self._parts[-1] :] - self.corner, self.shape
        predicted = {
            name: class_map(positions, each.votes, self.size, height, width) for name, each in segmentation.items()
        }
        tables = {name: each.tables.sum(axis=0) for name, each in segmentation.items()}
        pixels = self._assemble(lambda p: self.maps.image.read(p, self.size))
        truth = self._assemble(lambda p: self.maps.read_classes(p)[:, None])[0]
        return Region(self.corner, pixels, truth, predicted, tables, self._coarsened_tables.sum(axis=0))

    @cached_property
    def _coarsened_tables(self) -> np.ndarray:
        count = self._parts[-1]
        labels = dominant(self.maps.labels.proportions(self.windows[:count], self.size))
        return self._tables(np.split(one_hot(labels, self.classes), self._parts[:-1]))

    def _tables(self, votes: list[np.ndarray]) -> np.ndarray:
        """Return the confusion matrices (M, K, K) of the cells, in pixels. votes: (n, K) of each cell's windows."""
        tables, starts = [], [0, *self._parts]
        for number, (cell, cell_votes) in enumerate(zip(self.cells, votes)):
            positions = self.windows[starts[number] : starts[number + 1]] - cell
            predicted = class_map(positions, cell_votes, self.size, self.side, self.side)
            tables.append(pixel_table(self._truth(cell), predicted, self.classes))
        return np.stack(tables)

    def _truth(self, cell: np.ndarray) -> np.ndarray:
        """Return the class indices (side, side) of a cell. Not cached: all cells may not fit in memory."""
        return self.maps.labels.read(cell, self.side)[0, 0]

    def _choose_cells(self, max_cells: int) -> tuple[np.ndarray, np.ndarray]:
        """Return up to `max_cells` random cells (M, 2), and the number of classes (M,) in each.

        Each cell has a labelled pixel and a window with enough data.
        """
        cells = self.maps.area.reserved_cells()
        cells = cells[np.random.default_rng([self.seed, 0, SEED]).permutation(len(cells))]
        chosen, class_counts = [], []
        for cell in cells:
            classes = np.setdiff1d(self._truth(cell), NO_LABEL)
            if len(classes) and len(self._windows(cell, self.side, self.side)):
                chosen.append(cell)
                class_counts.append(len(classes))
            if len(chosen) == max_cells:
                break
        if not chosen:
            raise SamplingError(
                f"None of {len(cells)} reserved cells has both a label and a window with enough data for the "
                "segmentation. Choose a smaller 'segmentation_stride', or switch 'segmentation' off."
            )
        order = np.lexsort(np.transpose(chosen))
        return np.array(chosen)[order], np.array(class_counts)[order]

    def _place_region(self, sides: int, class_counts: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Return corner (2,) and (height, width), whole tiles, of the region around the cell with the most classes."""
        x, y, *whole = self.maps.image.window
        max_sides = max(MAX_PIXELS // self.size, CELL)
        width, height = (min(sides, max_sides, pixels // self.size) * self.size for pixels in whole)
        middle = self.cells[class_counts.argmax()] + self.size
        low, high = np.array([x, y]), np.array([x, y]) + whole - (width, height)
        return np.clip(middle - (width // 2, height // 2), low, high), (height, width)

    def _windows(self, corner: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return the positions (n, 2) on the map of the windows with enough data in a patch."""
        positions = corner + window_positions(height, width, self.size, self.stride)
        return positions[self.maps.area.has_data(positions)]

    def _assemble(self, read: Reader) -> np.ndarray:
        """Return the region as one array (C, H, W). read: positions (n, 2) -> tiles (n, C, size, size)."""
        height, width = self.shape
        rows = []
        for top in range(0, height, self.size):
            positions = self.corner + np.array([(left, top) for left in range(0, width, self.size)])
            rows.append(np.concatenate(list(read(positions)), axis=-1))
        return np.concatenate(rows, axis=-2)


def fit_predict_votes_of(name: str, settings: Settings, *arguments: Any) -> np.ndarray:
    """Return the votes (W, K) of the classifier of this name; for the arguments see `fit_predict_votes`."""
    return fit_predict_votes(CLASSIFIERS[name](settings.seed, settings.jobs), *arguments)
