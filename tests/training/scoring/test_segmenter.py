"""The segmenter: which windows of the map are predicted."""

from types import SimpleNamespace

import numpy as np

from config import validate
from dataProcessors.rasters.grid import Window
from dataProcessors.sampling.area import CELL
from training.scoring.segmenter import Segmenter

SIZE, STRIDE, HOLE = 16, 8, 24  # HOLE: columns without data at the left edge
CONFIG = {
    "network": "test_resnet", "loss": "tripletloss", "validation_map": "osm", "image_size": SIZE, "segmentation": True,
    "segmentation_stride": STRIDE, "segmentation_region": 4, "validation_spacing": 5,
}  # fmt: skip


def test_windows_without_data_are_not_predicted():
    cells, window = np.array([[0, 0], [96, 64]]), Window(0, 0, 192, 160)
    area = SimpleNamespace(reserved_cells=lambda: cells, has_data=lambda positions: positions[:, 0] >= HOLE)
    labels = SimpleNamespace(legend=("water",), read=lambda cell, side: np.zeros((1, 1, side, side), np.uint8))
    maps = SimpleNamespace(area=area, labels=labels, image=SimpleNamespace(window=window))
    segmenter = Segmenter(validate(CONFIG), maps)
    side, expected = CELL * SIZE, []
    for (x, y), height, width in [*((cell, side, side) for cell in cells), (segmenter.corner, *segmenter.shape)]:
        for row in range(y, y + height - SIZE + 1, STRIDE):
            expected += [[column, row] for column in range(x, x + width - SIZE + 1, STRIDE) if column >= HOLE]
    np.testing.assert_array_equal(segmenter.windows, expected)
