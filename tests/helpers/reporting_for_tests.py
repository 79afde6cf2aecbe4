"""Scores of feature sets, and a view of a map, as a run reports them."""

import numpy as np

from dataProcessors.legends.legend import Legend
from evaluation.scores import Score
from reporting.display import Display
from reporting.figures import Overview
from reporting.map_view import MapView

LEGEND = Legend("test", ("water", "dry\tland", "ice"), ((0, 0, 200), (90, 160, 60), (240, 250, 255)))
NAN = float("nan")


def scores_of(features, level):
    return [
        Score(features, "single_class", "knn", "accuracy", level, 0.011),
        Score(features, "single_class", "-", "MAP@R", level - 0.2, 0.02),
        Score(features, "single_class", "-", "MAP@R_chance", 0.125, 0.0),
        Score(features, "single_class", "-", "silhouette", NAN, NAN),
        Score(features, "multi_class", "rfc", "sum_error", 1.5 - level, 0.03),
        Score(features, "multi_class", "-", "MAP@1", level - 0.3, 0.02),
        Score(features, "multi_class", "-", "MAP@10", level - 0.4, 0.02),
        Score(features, "multi_class", "-", "MAP_chance", 0.2, 0.001),
    ]


def view_of(tiles, synthetic=False, lonlat=lambda points: points / 10 + (10, 49)):
    overview = Overview(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8), 10.0, (100, 200))
    display, cells = Display.from_tiles(tiles), np.array([[120, 220]])
    return MapView(LEGEND, display, overview, tiles.shape[-1], cells, lonlat, synthetic)
