"""A training step costs what its network costs

The real step of a run (positions drawn and pixels read ahead, masks, tiles rotated and flipped, forward, backward,
Adam, logged values) compared with forward, backward and Adam only, of the same network on one batch in memory:
resnext50 at 96 px, 24 triplets, triplet loss, in the format and layout that the run chooses. Both are measured in turn,
in four times as many rounds as usual, because a step varies more than the difference between the two. Therefore the
shares of a step are shown too: waiting for the batch, and everything in the step that is neither forward nor backward
pass of the network nor Adam. The last row is the time of the thread that reads ahead.
"""

import torch

from benchmarks.measure import Row, Setting, Timing, at_most, in_turn
from benchmarks.training import BenchmarkRun, NetworkTraining


def measure(setting: Setting) -> list[Row]:
    """Measure the ratio, and the shares."""
    run = BenchmarkRun(setting)
    network_training = NetworkTraining(run)
    timings = in_turn({"real": run.step, "bare": network_training.step}, setting.rounds * setting.number(4, 1))
    real, alone = timings.values()
    ratio = alone.times(real)
    shares = step_shares(run, 2 * setting.rounds)
    batch_timing = time_batches(run, setting.rounds)
    chosen = f"{run.execution.precision}, {'channels_last' if run.execution.channels_last else 'planes'}"
    return [
        Row(f"the real step ({chosen})", real.duration()),
        Row("forward, backward and Adam alone", alone.duration()),
        at_most("the real step over these", str(ratio), ratio.median, 1.03, "x"),
        at_most("share of a step spent waiting for data and in our own code", f"{shares['all']:.2%}",
                100 * shares["all"], 3, "%"),
        Row("of it waiting for data", f"{shares['waiting']:.2%}"),
        Row("making a batch, in the thread that reads ahead", batch_timing.duration()),
    ]  # fmt: skip


def step_shares(run: BenchmarkRun, steps: int) -> dict[str, float]:
    """Measure the share of waiting in the time of steps, and the share of all that is not the network."""
    trainer, forward_pass, backward = run.trainer, run.trainer.forward, torch.Tensor.backward
    originals = forward_pass.training_forward, trainer.optimizer.step
    forward_pass.training_forward = run.timed("network", forward_pass.training_forward)
    trainer.optimizer.step = run.timed("network", trainer.optimizer.step)
    torch.Tensor.backward = run.timed("network", backward)
    run.seconds.clear()
    try:
        for _ in range(steps):
            run.timed("all", run.step)()
    finally:
        (forward_pass.training_forward, trainer.optimizer.step), torch.Tensor.backward = originals, backward
    seconds = run.seconds
    return {
        "all": 1 - seconds["network"] / seconds["all"],
        "waiting": seconds["waiting"] / seconds["all"],
    }


def time_batches(run: BenchmarkRun, rounds: int) -> Timing:
    """Measure seconds to read one batch, while nothing else runs."""
    batches = run.trainer.step.batches
    return in_turn({"batch": lambda: batches.task(1)() and None}, rounds)["batch"]
