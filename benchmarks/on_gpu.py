"""On a GPU, a training step costs what its network costs too

The real step compared with forward, backward and Adam only, as on the CPU, but in rounds of several steps, at whose end
the device has finished: resnext50 at 96 px, triplet loss, in batches of the usual 24 triplets and of more. The run
records forward and backward as CUDA graphs; for the comparison they are called as usual, kernel by kernel, and, in the
last rows of each batch, without a claim, as CUDA graphs too. Without a GPU nothing is measured, and the page is not
changed.
"""

import torch

from benchmarks.measure import Row, Setting, Timing, at_most, format_number, in_turn
from benchmarks.training import BenchmarkRun, NetworkTraining

SIDE = 8_000  # pixels of the map
STEPS = 40  # of a round
TRIPLETS = (24, 192)
MINING = ["HARD_POSITIVE", "HARD_NEGATIVE"]


def measure(setting: Setting) -> list[Row]:
    """Measure every batch size, and the usual one with mining."""
    if not torch.cuda.is_available():
        return []
    rows = [row for triplets in TRIPLETS for row in measure_batch(setting, f"{triplets} triplets", batch_size=triplets)]
    return rows + measure_batch(setting, f"{TRIPLETS[0]} triplets, batch-hard mining", mining=MINING)


def measure_batch(setting: Setting, name: str, **keys) -> list[Row]:
    """Measure tiles per second, the ratio, and the share of waiting."""
    run = BenchmarkRun(setting, SIDE, device="cuda", iterations=10**6, **keys)  # no epoch ends meanwhile
    network_training = NetworkTraining(run)
    steps = {"real": run.step, "bare": network_training.step, "graphs": NetworkTraining(run, graphed=True).step}
    real, alone, graphs = in_turn({way: many_steps(step) for way, step in steps.items()}, 2 * setting.rounds).values()
    ratio = alone.times(real)
    tiles = Timing(tuple(seconds / len(network_training.tiles) for seconds in real.seconds))
    run.seconds.clear()
    run.timed("all", many_steps(run.step))()
    waiting = run.seconds["waiting"] / run.seconds["all"]
    return [
        Row(f"{name} ({torch.cuda.get_device_name()}, {run.execution.precision})", tiles.rate("tiles")),
        Row(f"{name}: the real step", real.duration()),
        Row(f"{name}: forward, backward and Adam alone", alone.duration()),
        at_most(f"{name}: the real step over these", str(ratio), ratio.median, 1.03, "x"),
        at_most(f"{name}: share of time waiting for data", f"{format_number(100 * waiting)} %", 100 * waiting, 5, "%"),
        Row(f"{name}: forward and backward as CUDA graphs, and Adam, alone", graphs.duration()),
        Row(f"{name}: the real step over these", str(graphs.times(real))),
    ]


def many_steps(step):
    """Return a function that does STEPS steps, waits for the device, and returns their number."""

    def steps() -> int:
        for _ in range(STEPS):
            step()
        torch.cuda.synchronize()
        return STEPS

    return steps
