"""Retrieval metrics are no slower than pytorch-metric-learning's, and need less than 1 GB

MAP@R of 5,000 embeddings of length 64 with labels of 13 classes, beside `AccuracyCalculator` of pytorch-metric-learning
for that metric alone, on the same cores, with its search in batches by matrix products (`CustomKNN`, the way that does
not need faiss). Both compute the same value, which is checked, although it works in float32, and this project in
float64 with an exact order of equal distances. It has no multi-label MAP@k, which is compared with its time for MAP@R
instead, because that searches neighbours too. The memory is the peak of what Python and numpy use in addition to the
data, in a call that is not timed.
"""

from collections.abc import Callable
from functools import partial

import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from benchmarks.gsil import all_cores, memory, tiles
from benchmarks.measure import Row, Setting, faster, in_turn
from evaluation import map_at_r, multilabel_map

METRIC = "mean_average_precision_at_r"
BATCH = 1024  # of queries; larger and smaller ones are not faster
MAX_K = 10


def measure(setting: Setting) -> list[Row]:
    """Measure seconds of MAP@R by both and of multi-label MAP@10, and the memory of this project's metrics."""
    embeddings, proportions = tiles(setting.number(5_000, 300), 13)
    labels = proportions.argmax(axis=1)
    calculator = AccuracyCalculator(
        include=(METRIC,), k="max_bin_count", device=torch.device("cpu"),
        knn_func=CustomKNN(LpDistance(power=2, normalize_embeddings=False), batch_size=BATCH),
    )  # fmt: skip
    ways = {
        "AccuracyCalculator, MAP@R": partial(calculator.get_accuracy, embeddings, labels),
        "MAP@R": partial(map_at_r, embeddings, labels),
        f"multi-label MAP@{MAX_K}": partial(multilabel_map, embeddings, proportions, MAX_K),
    }
    reference, *ours = ways
    with all_cores():
        assert abs(ways[reference]()[METRIC] - ways["MAP@R"]()) < 1e-6
        timings = in_turn({name: partial(without_value, way) for name, way in ways.items()}, setting.rounds)
        rows = [Row(name, timing.duration()) for name, timing in timings.items()]
        rows += [faster(f"{name}: faster", timings[name].times(timings[reference]), 1) for name in ours]
        return rows + [memory(f"{name}: memory", ways[name]) for name in ours]


def without_value(way: Callable[[], object]) -> None:
    """Call a function and ignore its value, so that it counts as one unit of work."""
    way()
