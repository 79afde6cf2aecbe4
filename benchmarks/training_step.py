"""A training step costs what its network costs

The real step of a run (positions drawn and pixels read ahead, masks, tiles turned and mirrored, forward, backward,
Adam, the figures that are logged) over forward, backward and Adam alone of the same network on one batch that is kept
in memory: resnext50 at 96 px, 24 triplets, triplet loss, in the format and layout that the run chooses by itself. Both
in turn, four times as many rounds as usual, since a step varies by more than what is to be told apart. Where that hides
it, the shares of a step: waiting for the batch, and everything of the step itself that is neither the network's forward
nor backward nor Adam. What the reading thread takes beside the step stands in the last row.
"""

import torch

from benchmarks.measure import Row, Setting, Timing, at_most, in_turn
from benchmarks.training import Bare, Run


def measure(setting: Setting) -> list[Row]:
    """The ratio, and the shares."""
    run = Run(setting)
    bare = Bare(run)
    taken = in_turn({"real": run.step, "bare": bare.step}, setting.rounds * setting.number(4, 1))
    real, alone = taken.values()
    ratio = alone.times(real)
    shares = step_shares(run, 2 * setting.rounds)
    making = batch_making(run, setting.rounds)
    chosen = f"{run.execution.precision}, {'channels_last' if run.execution.channels_last else 'planes'}"
    return [
        Row(f"the real step ({chosen})", real.duration()),
        Row("forward, backward and Adam alone", alone.duration()),
        at_most("the real step over these", str(ratio), ratio.median, 1.03, "x"),
        at_most("share of a step spent waiting for data and in our own code", f"{shares['all']:.2%}",
                100 * shares["all"], 3, "%"),
        Row("of it waiting for data", f"{shares['waiting']:.2%}"),
        Row("making a batch, in the thread that reads ahead", making.duration()),
    ]  # fmt: skip


def step_shares(run: Run, steps: int) -> dict[str, float]:
    """Share of the steps' time spent waiting, and in all that is not the network's."""
    trainer, forward_pass, backward = run.trainer, run.trainer.forward, torch.Tensor.backward
    originals = forward_pass.forward, trainer.optimizer.step
    forward_pass.forward = run.timed("network", forward_pass.forward)
    trainer.optimizer.step = run.timed("network", trainer.optimizer.step)
    torch.Tensor.backward = run.timed("network", backward)
    run.seconds.clear()
    try:
        for _ in range(steps):
            run.timed("all", run.step)()
    finally:
        (forward_pass.forward, trainer.optimizer.step), torch.Tensor.backward = originals, backward
    seconds = run.seconds
    return {
        "all": 1 - seconds["network"] / seconds["all"],
        "waiting": seconds["waiting"] / seconds["all"],
    }


def batch_making(run: Run, rounds: int) -> Timing:
    """Seconds to make one batch, nothing else going on."""
    batches = run.trainer.step.batches
    return in_turn({"batch": lambda: batches.task(1)() and None}, rounds)["batch"]
