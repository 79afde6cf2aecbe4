"""Two processes train a network together

resnext50 at 96 px, 24 triplets a step, in fp32: one process of one thread, and two that share the same steps, each of
one thread, over gloo on one machine. Both are measured in turn. The share of gathering is that of exchanging the
embeddings of a batch, forward and backward, while both processes are ready for it; waiting for the slower one is no
part of it.
"""

import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.distributed as dist

from benchmarks.measure import Row, Setting, at_least, at_most, in_turn
from benchmarks.training import BenchmarkRun
from dataProcessors.sampling.share import Share
from training.execution.processes import ALONE, Processes

NUMBER, GATHERINGS = 2, 50
KEYS = {"threads": 1, "precision": "fp32", "channels_last": True}
MAX_GATHERING = 3  # percent of a step
MIN_GAIN = 1.6


class Group:
    """Processes that do steps of one training when they are told to.

    Args:
        setting: of the benchmark
        number: of processes
        folder: empty, where they find one another
    """

    def __init__(self, setting: Setting, number: int, folder: Path):
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for rank in range(number):
            here, there = context.Pipe()
            arguments = (setting, rank, number, str(folder / f"store-{number}"), there)
            self.processes.append(context.Process(target=work, args=arguments, daemon=True))
            self.processes[-1].start()
            self.pipes.append(here)
        for pipe in self.pipes:
            pipe.recv()  # it is ready

    def do(self, work: str) -> float:
        """Have all do the work, "step" or "gather", and wait for them. Return the first one's answer in seconds."""
        for pipe in self.pipes:
            pipe.send(work)
        first, *_ = [pipe.recv() for pipe in self.pipes]  # all must have answered
        return first

    def step(self) -> None:
        """Have all do one step."""
        self.do("step")

    def end(self) -> None:
        """End the processes."""
        for pipe in self.pipes:
            pipe.send("")
        for process in self.processes:
            process.join()


def work(setting: Setting, rank: int, number: int, path: str, pipe: Connection) -> None:
    """Answer what the pipe asks for, in seconds, until it asks for nothing."""
    processes = ALONE
    if number > 1:
        store = dist.FileStore(path, number)
        dist.init_process_group("gloo", store=dist.PrefixStore("group", store), rank=rank, world_size=number)
        processes = Processes(Share(rank, number), rank, number, store, "here")
    run = BenchmarkRun(setting, processes=processes, **KEYS)
    ways = {"step": run.step, "gather": lambda: gather(processes, run.trainer.step.batches.size)}
    pipe.send("ready")
    while name := pipe.recv():
        started = time.perf_counter()
        ways[name]()
        pipe.send(time.perf_counter() - started)
    if number > 1:
        dist.destroy_process_group()


def gather(processes: Processes, tiles: int) -> None:
    """Exchange the embeddings (tiles, 64) of a batch, many times, with gradients."""
    own = torch.zeros(len(processes.share.of(range(tiles))), 64, requires_grad=True)
    for _ in range(GATHERINGS):
        processes.gather(own, tiles).sum().backward()


def measure(setting: Setting) -> list[Row]:
    """Measure steps of one process and of two, and the exchange of embeddings."""
    with tempfile.TemporaryDirectory() as folder:
        groups = [Group(setting, number, Path(folder)) for number in (1, NUMBER)]
        one, two = in_turn(
            dict(zip(("one", "two"), (group.step for group in groups))), setting.rounds * setting.number(4, 1)
        ).values()
        gathering = min(groups[1].do("gather") for _ in range(setting.rounds)) / GATHERINGS
        for group in groups:
            group.end()
    gain, share = two.times(one), 100 * gathering / two.median
    return [
        Row("a step in one process", one.duration()),
        Row("the same step in two processes", two.duration()),
        at_least("two processes beside one", str(gain), gain.median, MIN_GAIN, "x"),
        at_most("share of exchanging embeddings in a step", f"{share:.2f}%", share, MAX_GATHERING, "%"),
    ]
