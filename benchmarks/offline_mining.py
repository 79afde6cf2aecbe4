"""Offline mining costs one forward pass of the tiles it draws

24 triplets; for each of them ten more tiles are drawn on the map, for the negative only or for the positive and the
negative. Their embeddings are computed without gradient, as in an evaluation, and the hardest of ten is used in the
training step. What this adds to a step (step with mining less step without, medians of rounds in turn) is divided by
the time of one such forward pass of the drawn tiles and of the 24 anchors that they are compared with. resnext50 at
96 px.
"""

import torch

from benchmarks.measure import Ratio, Row, Setting, at_most, in_turn
from benchmarks.training import BenchmarkRun, random_tiles

ANCHORS = 24
NEGATIVES, BOTH = ["RANDOM_HARD_NEGATIVE"], ["RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"]


def measure(setting: Setting) -> list[Row]:
    """Measure mining of one role, and of both."""
    runs = {name: BenchmarkRun(setting, mining=modes, precision="fp32" if setting.tiny else "auto")
            for name, modes in (("plain", []), ("negative", NEGATIVES), ("positive and negative", BOTH))}  # fmt: skip
    ways = {name: run.step for name, run in runs.items()}
    run = runs["plain"]
    tiles = {"negative": ANCHORS * 11, "positive and negative": ANCHORS * 21}
    forwards = {roles: forward_function(run, number) for roles, number in tiles.items()}
    timings = in_turn(ways | {f"forward of {name}": way for name, way in forwards.items()}, setting.rounds)
    rows = [Row("a step without mining", timings["plain"].duration())]
    for name in forwards:
        mined, forward = timings[name], timings[f"forward of {name}"]
        added = Ratio(tuple((m - p) / f for m, p, f in zip(mined.seconds, timings["plain"].seconds, forward.seconds)))
        rows += [
            Row(f"a step with mining, {name}", mined.duration()),
            Row("one forward pass of what it draws, and of the anchors", forward.duration()),
            at_most("what mining adds over that pass", str(added), added.median, 1.05, "x"),
        ]
    return rows


def forward_function(run: BenchmarkRun, number: int):
    """Return a function: a forward pass of `number` tiles in memory, without gradient."""
    tiles = random_tiles(run, number)

    def forward() -> None:
        with torch.no_grad():
            run.trainer.forward.embed(run.execution.to_device(tiles), training=False)

    return forward
