#!/usr/bin/env bash
# pytorch-metric-learning: NTXentLoss makes tables of all positive pairs x all negative pairs, not of tiles x tiles
#
# Versions: pytorch-metric-learning 2.9.0 with torch 2.13.0 and numpy 2.4.6 on Python 3.11; with torch 2.14.1 the same.
#
# Behaviour: the loss of a positive pair needs the sum over the negatives of its anchor. NTXentLoss takes it for every
# positive pair over a row as long as the list of all negative pairs of the batch, most of which are other anchors'.
# Given as pairs, 128 anchors with one positive each and negatives everywhere, 384 embeddings in all, are 256 x 141,000
# numbers, several times over: more than 0.3 GB, and seconds of a core for a step. Twice the batch takes eight times as
# much. SupConLoss, which takes the same pairs and a like sum, stays below a tenth of that.
#
# What it means for the project: losses/ntxent.py computes the same values by anchor; `python -m benchmarks ntxent`
# compares the times.
#
# Output seen:
#     pytorch-metric-learning 2.9.0, torch 2.13.0+cpu
#     SupConLoss: no more than 0.1 GB: True
#     NTXentLoss: more than 0.3 GB: True
#     a sum by anchor, without such tables: the same loss: True
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
import resource
import sys

import pytorch_metric_learning
import torch
from pytorch_metric_learning.losses import NTXentLoss, SupConLoss

ANCHORS, LENGTH, TEMPERATURE = 128, 64, 0.2
UNIT = 1024 if sys.platform == "linux" else 1  # bytes of what getrusage counts

torch.set_num_threads(1)
tuples = torch.arange(3 * ANCHORS) % ANCHORS  # anchors, their positives, others
is_other = torch.arange(3 * ANCHORS) >= 2 * ANCHORS
positive = (tuples[:, None] == tuples) & ~is_other & ~is_other[:, None]
negative = ~positive
positive.fill_diagonal_(False)
negative.fill_diagonal_(False)
pairs = *torch.where(positive), *torch.where(negative)
embeddings = torch.randn(3 * ANCHORS, LENGTH, generator=torch.Generator().manual_seed(0))


def peak() -> float:
    """Largest memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 1e9


def growth(loss: torch.nn.Module) -> float:
    """By how many GB a loss and its gradient raise the largest memory."""
    given, before = embeddings.clone().requires_grad_(), peak()
    loss(given, indices_tuple=pairs).backward()
    return peak() - before


small = torch.nn.functional.normalize(embeddings)
(small @ small.T).softmax(1).sum()  # what is loaded once is loaded now
print(f"pytorch-metric-learning {pytorch_metric_learning.__version__}, torch {torch.__version__}")
little, much = growth(SupConLoss(TEMPERATURE)) <= 0.1, growth(NTXentLoss(TEMPERATURE)) > 0.3
cosines = small @ small.T / TEMPERATURE
against = cosines.masked_fill(~negative, -torch.inf).logsumexp(1)
by_anchor = torch.nn.functional.softplus(against[pairs[0]] - cosines[pairs[0], pairs[1]]).mean()
same = torch.isclose(by_anchor, NTXentLoss(TEMPERATURE)(embeddings, indices_tuple=pairs), rtol=1e-5).item()
print(f"SupConLoss: no more than 0.1 GB: {little}")
print(f"NTXentLoss: more than 0.3 GB: {much}")
print(f"a sum by anchor, without such tables: the same loss: {same}")
print("unchanged" if little and much and same else "changed")
sys.exit(not (little and much and same))
PYTHON
