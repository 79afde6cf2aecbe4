#!/usr/bin/env bash
# torch on Linux: the OpenMP threads of its wheel spin while they wait, so that two processes hold each other up
#
# Versions: torch 2.14.1 from its Linux x86-64 wheel, which brings GNU's libgomp; Python 3.11; 2 cores of an Intel Xeon
# with AVX-512 in a virtual machine.
#
# Behaviour: two processes train a small network on as many threads each as there are cores. A fair half of the machine
# for each is a step that takes 2 times as long as alone. The threads of libgomp look for work again and again for
# milliseconds (GOMP_SPINCOUNT, 300,000 looks by default) before they sleep, and keep the cores from the threads of the
# other process, for which its first thread waits in turn. With GOMP_SPINCOUNT=1000, which has to be in the environment
# before torch is imported, they sleep soon, and a step beside another process takes much less time.
#
# What it means for the project: training/execution/openmp.py sets the variable (to 3000) before main.py loads torch.
#
# Output seen:
#     default, alone: 36.7 ms (34.3 to 39.5)
#     GOMP_SPINCOUNT=1000, alone: 89.0 ms (69.5 to 127.6)
#     default, two at once: 144.2 ms (138.5 to 153.0)
#     GOMP_SPINCOUNT=1000, two at once: 75.7 ms (73.5 to 77.4)
#     two at once, default over GOMP_SPINCOUNT=1000: 1.88 x
#     unchanged
# Other programs kept that machine busy at a lower priority, and took the cores of sleeping threads in the second line.
#
# Exits with 0 while this is so (a step of two processes by default takes at least 1.25 times as long as one of two that
# do not spin, in the median of five rounds), with 1 when it has changed, and with 2 on a machine with one core.
set -euo pipefail

# nproc would count OMP_NUM_THREADS instead of the cores
if [ "$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)" -lt 2 ]; then
    echo "this machine has one core: nothing is shown here" >&2
    exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6

cat > "$folder/steps.py" <<'PYTHON'
"""Say when ready, wait for a line, repeat a training step for some seconds, print the milliseconds of one."""

import os
import sys
import time

import torch
from torch import nn

SECONDS = 3.0

torch.set_num_threads(len(os.sched_getaffinity(0)))
layers = [(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()) for _ in range(10)]
network = nn.Sequential(*(layer for block in layers for layer in block))
images = torch.rand(32, 32, 16, 16)
network(images).square().sum().backward()
print("ready", flush=True)
sys.stdin.readline()
started, steps = time.perf_counter(), 0
while steps == 0 or time.perf_counter() - started < SECONDS:
    network(images).square().sum().backward()
    steps += 1
print((time.perf_counter() - started) / steps * 1e3)
PYTHON

cat > "$folder/compare.py" <<'PYTHON'
"""Time steps alone and beside one another, as libgomp waits by default and with little spinning, in turn."""

import os
import statistics
import subprocess
import sys

ROUNDS, LEAST_RATIO = 5, 1.25
SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT")


def step_of(processes: int, **settings: str) -> float:
    """Mean milliseconds of a step in so many processes at once."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings
    command = [sys.executable, sys.argv[1]]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, env=environment, **pipes) for _ in range(processes)]
    for process in running:
        process.stdout.readline()
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    return statistics.mean(float(process.communicate()[0]) for process in running)


ways = {"default": {}, "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"}}
taken = {(name, processes): [] for processes in (1, 2) for name in ways}
for _ in range(ROUNDS):
    for name, processes in taken:
        taken[name, processes].append(step_of(processes, **ways[name]))
for (name, processes), steps in taken.items():
    beside = "two at once" if processes == 2 else "alone"
    print(f"{name}, {beside}: {statistics.median(steps):.1f} ms ({min(steps):.1f} to {max(steps):.1f})")
pairs = zip(taken["default", 2], taken["GOMP_SPINCOUNT=1000", 2])
ratio = statistics.median(spinning / sleeping for spinning, sleeping in pairs)
unchanged = ratio >= LEAST_RATIO
print(f"two at once, default over GOMP_SPINCOUNT=1000: {ratio:.2f} x")
print("unchanged" if unchanged else "CHANGED")
sys.exit(0 if unchanged else 1)
PYTHON
"$folder/venv/bin/python" "$folder/compare.py" "$folder/steps.py"
