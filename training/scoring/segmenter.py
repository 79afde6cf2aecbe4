"""Segmentation: which windows of the map are predicted, and how good what the simple models make of them is."""

import logging
from functools import cached_property

import numpy as np

from config import Config
from dataProcessors.legends.legend import NO_LABEL, dominant
from dataProcessors.maps import OpenMaps
from dataProcessors.sampling.area import CELL, SamplingError
from evaluation.models import CLASSIFIERS, fit_votes
from evaluation.proportions import labelled
from evaluation.scoring import Evaluation, Score, Settings
from evaluation.segmentation import (
    COARSENED,
    METRICS,
    Region,
    Segmentation,
    class_map,
    figure_and_spread,
    one_hot,
    pixel_table,
    window_positions,
)

log = logging.getLogger(__name__)
MAX_PIXELS = 2048  # side of the region, unless a reserved cell is larger
SEED = 5  # keeps the choice of the cells apart from other draws of the run's seed


class Segmenter:
    """Windows of an image's size slide over reserved cells, which are scored, and over a region, which is shown.

    Args:
        config: of the run
        maps: tiles of image and label map, and the reserved cells
    Raises:
        SamplingError: no reserved cell can be predicted and has a label

    Attributes:
        cells: (M, 2) upper-left pixels of the scored cells, from above to below
        windows: (W, 2) positions of all windows, those of the cells first, cell by cell
    """

    def __init__(self, config: Config, maps: OpenMaps):
        self.maps, self.size, self.seed = maps, config.image_size, config.seed
        self.models, self.classes = config.single_class_classifiers, len(maps.labels.legend)
        self.stride = config.segmentation_stride or self.size // 2
        self.side = CELL * self.size
        self.cells, varieties = self._choose_cells(config.segmentation_cells)
        self.corner, self.shape = self._place_region(config.segmentation_region, varieties)
        patches = [self._windows(cell, self.side, self.side) for cell in self.cells]
        patches.append(self._windows(self.corner, *self.shape))
        self.windows = np.concatenate(patches)
        self._parts = np.cumsum([len(patch) for patch in patches])[:-1]
        log.info(
            "segmentation: %s windows in %d reserved cells and in a region of %d x %d pixels",
            f"{len(self.windows):,}", len(self.cells), *self.shape[::-1],
        )  # fmt: skip

    def segment(
        self, fit: np.ndarray, proportions: np.ndarray, windows: np.ndarray, settings: Settings
    ) -> dict[str, Segmentation]:
        """What each classifier makes of the windows; {} where no tile is labelled to fit it on.

        Args:
            fit: (F, D) features of the tiles to fit on
            proportions: (F, K) of the same tiles
            windows: (W, D) features of all windows
            settings: of the evaluation
        """
        # Shares are fractions of a pixel count, perhaps in float32, where nine tenths are less than 0.9.
        used = labelled(proportions) & (proportions.max(axis=1) >= settings.threshold - 1e-6)
        if not used.any():
            return {}
        labels, found = proportions[used].argmax(axis=1), {}
        for name in self.models:
            model = CLASSIFIERS[name](settings.seed, settings.jobs)
            *cells, region = np.split(fit_votes(model, fit[used], labels, windows, self.classes), self._parts)
            found[name] = Segmentation(self._tables(cells), region)
        return found

    def scores(self, features: str, segmentation: dict[str, Segmentation]) -> list[Score]:
        """Every metric of every classifier; NaN where it could not be fitted."""
        nothing = np.zeros((0, self.classes, self.classes), np.int64)
        tables = {name: segmentation[name].tables if name in segmentation else nothing for name in self.models}
        return [
            Score(features, "segmentation", name, metric, *figure_and_spread(tables[name], function, self.seed))
            for name in self.models
            for metric, function in METRICS.items()
        ]

    @cached_property
    def coarsened(self) -> Evaluation:
        """The scores that the true main class of every window reaches, beside those of each classifier.

        A classifier may exceed them, for its probabilities say more of a window than one class does.
        """
        found = Segmentation(self._coarsened_tables, np.zeros((0, self.classes)))
        scores = self.scores(COARSENED, dict.fromkeys(self.models, found))
        return Evaluation(COARSENED, scores, {}, {}, np.zeros((0, self.classes)))

    def region(self, segmentation: dict[str, Segmentation]) -> Region:
        """The region with what each classifier makes of it."""
        positions, (height, width) = self.windows[self._parts[-1] :] - self.corner, self.shape
        predicted = {
            name: class_map(positions, each.votes, self.size, height, width) for name, each in segmentation.items()
        }
        tables = {name: each.tables.sum(axis=0) for name, each in segmentation.items()}
        pixels = self._assemble(self.maps.read)
        truth = self._assemble(lambda p: self.maps.read_classes(p)[:, None])[0]
        return Region(self.corner, pixels, truth, predicted, tables, self._coarsened_tables.sum(axis=0))

    @cached_property
    def _coarsened_tables(self) -> np.ndarray:
        count = self._parts[-1]
        labels = dominant(self.maps.labels.proportions(self.windows[:count], self.size))
        return self._tables(np.split(one_hot(labels, self.classes), self._parts[:-1]))

    def _tables(self, votes: list[np.ndarray]) -> np.ndarray:
        """Pixels (M, K, K) of the cells, by the votes (n, K) of the windows in each."""
        tables, starts = [], [0, *self._parts]
        for number, (cell, of_cell) in enumerate(zip(self.cells, votes)):
            positions = self.windows[starts[number] : starts[number + 1]] - cell
            predicted = class_map(positions, of_cell, self.size, self.side, self.side)
            tables.append(pixel_table(self._truth(cell), predicted, self.classes))
        return np.stack(tables)

    def _truth(self, cell: np.ndarray) -> np.ndarray:
        """Class indices (side, side) of a cell; read anew each time, for those of all may be more than memory holds."""
        return self.maps.labels.read(cell, self.side)[0, 0]

    def _choose_cells(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Up to so many cells (M, 2) with a label and a window with data, and the number of classes (M,) in each."""
        cells = self.maps.area.reserved_cells()
        cells = cells[np.random.default_rng([self.seed, 0, SEED]).permutation(len(cells))]
        chosen, varieties = [], []
        for cell in cells:
            classes = np.setdiff1d(self._truth(cell), NO_LABEL)
            if len(classes) and len(self._windows(cell, self.side, self.side)):
                chosen.append(cell)
                varieties.append(len(classes))
            if len(chosen) == most:
                break
        if not chosen:
            raise SamplingError(
                f"None of {len(cells)} reserved cells has both a label and a window with enough data for the "
                "segmentation. Choose a smaller 'segmentation_stride', or switch 'segmentation' off."
            )
        order = np.lexsort(np.transpose(chosen))
        return np.array(chosen)[order], np.array(varieties)[order]

    def _place_region(self, sides: int, varieties: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Corner (2,) and (height, width), whole tiles, of the region around the first cell with the most classes."""
        x, y, *whole = self.maps.image.window
        most = max(MAX_PIXELS // self.size, CELL)
        width, height = (min(sides, most, pixels // self.size) * self.size for pixels in whole)
        middle = self.cells[varieties.argmax()] + self.size
        low, high = np.array([x, y]), np.array([x, y]) + whole - (width, height)
        return np.clip(middle - (width // 2, height // 2), low, high), (height, width)

    def _windows(self, corner: np.ndarray, height: int, width: int) -> np.ndarray:
        """Positions (n, 2) on the map of the windows with data in a patch."""
        positions = corner + window_positions(height, width, self.size, self.stride)
        return positions[self.maps.area.has_data(positions)]

    def _assemble(self, read) -> np.ndarray:
        """Pixels (C, H, W) of the region, of what `read` gives (n, C, size, size) of its tiles at positions (n, 2)."""
        height, width = self.shape
        rows = []
        for top in range(0, height, self.size):
            places = self.corner + np.array([(left, top) for left in range(0, width, self.size)])
            rows.append(np.concatenate(list(read(places)), axis=-1))
        return np.concatenate(rows, axis=-2)
