#!/usr/bin/env bash
# torch on a CPU: bf16 weight gradients of a convolution whose stride is larger than its map
#
# Versions: torch 2.14.1 from its Linux x86-64 wheel, on Python 3.11, with an Intel Xeon that has AVX-512 and bf16
# (lscpu: avx512_bf16). The same was seen before with torch 2.12.1. A processor without bf16 takes other code.
#
# Behaviour: a convolution of 3 x 3 pixels with padding 1 and stride 2 gets maps of 1 x 1 pixel, as the last stage of a
# ResNet does where tiles are small. Only the middle of the kernel ever meets the pixel, so that the weight gradient of
# the eight other places is 0. In fp32 it is. In bf16 they hold in part whatever was in memory before, here values of
# up to 1e30 that earlier tensors left there; the middle is right. With maps of 2 x 2 pixels all gradients are right.
#
# What it means for the project: training/execution/precision.py leaves bf16 out for such a network on a CPU.
#
# Output seen:
#     torch 2.14.1+cu130, AVX512
#     maps of 1 x 1: 29 of 30 gradients wrong
#     maps of 2 x 2: 0 of 30 gradients wrong
#     unchanged
#
# Exits with 0 while this is so, with 1 when it has changed, and with 2 on a processor without bf16.
set -euo pipefail

if ! grep -qw avx512_bf16 /proc/cpuinfo; then
    echo "this processor has no avx512_bf16: nothing is shown here" >&2
    exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from torch import nn

TRIALS = 30


def fill_memory() -> None:
    """Leave freed memory behind that holds 1e30."""
    for power in range(8, 23, 2):
        torch.full((2**power,), 1e30)


def weight_gradient(convolution: nn.Conv2d, maps: torch.Tensor, bf16: bool) -> torch.Tensor:
    """(64, 64, 3, 3) float32."""
    convolution.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        out = convolution(maps)
    (out.float().flatten() * torch.linspace(-1, 1, out.numel())).sum().backward()
    return convolution.weight.grad.clone()


def wrong_gradients(side: int) -> int:
    """How many of TRIALS bf16 gradients are further than 5 % of the largest value from that of fp32."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(64, 64, 3, stride=2, padding=1)
    maps = torch.randn(12, 64, side, side)
    expected = weight_gradient(convolution, maps, bf16=False)
    wrong = 0
    for _ in range(TRIALS):
        fill_memory()
        error = (weight_gradient(convolution, maps, bf16=True) - expected).abs().max() / expected.abs().max()
        wrong += not error < 0.05  # NaN is wrong too
    return wrong


torch.set_num_threads(1)
print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
narrow, wide = wrong_gradients(1), wrong_gradients(2)
for side, wrong in ((1, narrow), (2, wide)):
    print(f"maps of {side} x {side}: {wrong} of {TRIALS} gradients wrong")
unchanged = narrow > 0 and wide == 0
print("unchanged" if unchanged else "CHANGED")
sys.exit(0 if unchanged else 1)
PYTHON
