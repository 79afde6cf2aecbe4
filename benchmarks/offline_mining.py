"""Offline mining costs one forward pass of the tiles it draws

24 triplets, for each of which ten tiles are drawn anew over the map, for the negative alone or for the positive and the
negative: their embeddings are computed without gradient, as in an evaluation, and the hardest of ten takes part in the
training step. What that adds to a step (step with mining less step without, medians of rounds in turn) over one such
forward pass of the drawn tiles and of the 24 anchors they are compared with. resnext50 at 96 px.
"""

import torch

from benchmarks.measure import Ratio, Row, Setting, at_most, in_turn
from benchmarks.training import Run, random_tiles

ANCHORS = 24
NEGATIVES, BOTH = ["RANDOM_HARD_NEGATIVE"], ["RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"]


def measure(setting: Setting) -> list[Row]:
    """One role, and both."""
    runs = {name: Run(setting, mining=modes, precision="fp32" if setting.tiny else "auto")
            for name, modes in (("plain", []), ("negative", NEGATIVES), ("positive and negative", BOTH))}  # fmt: skip
    ways = {name: run.step for name, run in runs.items()}
    run = runs["plain"]
    tiles = {"negative": ANCHORS * 11, "positive and negative": ANCHORS * 21}
    forwards = {roles: forward_function(run, number) for roles, number in tiles.items()}
    taken = in_turn(ways | {f"forward of {name}": way for name, way in forwards.items()}, setting.rounds)
    rows = [Row("a step without mining", taken["plain"].duration())]
    for name in forwards:
        mined, forward = taken[name], taken[f"forward of {name}"]
        added = Ratio(tuple((m - p) / f for m, p, f in zip(mined.seconds, taken["plain"].seconds, forward.seconds)))
        rows += [
            Row(f"a step with mining, {name}", mined.duration()),
            Row("one forward pass of what it draws, and of the anchors", forward.duration()),
            at_most("what mining adds over that pass", str(added), added.median, 1.05, "x"),
        ]
    return rows


def forward_function(run: Run, number: int):
    """What passes so many tiles, read already, through the network without gradient."""
    tiles = random_tiles(run, number)

    def forward() -> None:
        with torch.no_grad():
            run.trainer.forward.embed(run.execution.to_device(tiles), training=False)

    return forward
