#!/usr/bin/env bash
# pytorch-metric-learning: AccuracyCalculator takes neighbouring labels beyond 2^24 for one class
#
# Versions: pytorch-metric-learning 2.9.0 with torch 2.13.0 and numpy 2.4.6 on Python 3.11; with torch 2.14.1 the same.
#
# Behaviour: labels are whole numbers, int64 here. AccuracyCalculator.get_accuracy turns them into float32, in which
# 16,777,216 and 16,777,217 are one number. Random embeddings of two classes that are numbered in this way score a MAP@R
# and a precision at 1 of 1, without a warning; numbered 0 and 1 they score what chance scores. Labels of this size are
# codes of parcels, of cells of a grid, or of OpenStreetMap. The losses compare the integers and tell them apart.
#
# What it means for the project: nothing is scored by this class but in benchmarks/retrieval.py, where classes are
# numbered from 0 on. evaluation/ compares integers.
#
# Output seen:
#     pytorch-metric-learning 2.9.0
#     classes 0 and 1: MAP@R 0.261, precision at 1 0.510, contrastive loss 1.48
#     classes 16777216 and 16777217: MAP@R 1.000, precision at 1 1.000, contrastive loss 1.48
#     unchanged
#
# Exits with 0 while this is so, and with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pytorch-metric-learning==2.9.0 torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

METRICS = "mean_average_precision_at_r", "precision_at_1"


def scores(first: int) -> tuple[float, float, float]:
    """MAP@R, precision at 1 and a loss of random embeddings of two classes: `first` and the number after it."""
    embeddings = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    labels = first + torch.arange(200) % 2
    found = AccuracyCalculator(
        include=METRICS, k="max_bin_count", device=torch.device("cpu"), knn_func=CustomKNN(LpDistance()),
    ).get_accuracy(embeddings, labels)  # fmt: skip
    return *(found[metric] for metric in METRICS), ContrastiveLoss()(embeddings, labels).item()


print(f"pytorch-metric-learning {version('pytorch-metric-learning')}")
found = {first: scores(first) for first in (0, 2**24)}
for first, (map_at_r, precision, loss) in found.items():
    said = f"MAP@R {map_at_r:.3f}, precision at 1 {precision:.3f}, contrastive loss {loss:.2f}"
    print(f"classes {first} and {first + 1}: {said}")
small, large = found.values()
same = max(small[:2]) < 0.7 and large[:2] == (1.0, 1.0) and small[2] == large[2]
print("unchanged" if same else "changed")
sys.exit(not same)
PYTHON
