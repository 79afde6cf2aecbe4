"""Number format and memory layout are chosen for each network, by measuring

A training step (forward, backward, Adam) of 72 tiles of 96 px in every format and layout that a run can choose from,
and what `"precision": "auto"` and `"channels_last": "auto"` choose, from a few seconds of trials at the start of the
first run of a network on a machine: plain fp32, unless a tenth is gained. Which one is fastest depends on the processor
and on the network. `"compile": true` stands beside it, with what its first step costs.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.measure import Row, Setting, Timing, duration, in_turn
from config import Config, validate
from networks import Normalise, build
from training.execution.device import Execution
from training.execution.precision import TRIAL_TILES, resolve

SIZE, TILES, THREADS = 96, 72, 2
WAYS = [("fp32", False), ("fp32", True), ("bf16", False), ("bf16", True)]
NETWORKS = ("resnext50", "transformer")


def measure(setting: Setting) -> list[Row]:
    """Both networks of the published system."""
    torch.set_num_threads(THREADS)
    if setting.tiny:
        return of_network("test_resnet", setting)[:-1]  # compiling takes its minute whatever the size
    return [row for name in NETWORKS for row in of_network(name, setting)]


def of_network(name: str, setting: Setting) -> list[Row]:
    """Every way, what is chosen, and how far that is from the fastest."""
    tiles = np.random.default_rng(0).integers(0, 255, (setting.number(TILES, 8), SIZE, SIZE, 3), dtype=np.uint8)
    tiles = tiles.transpose(0, 3, 1, 2)
    ways = {way: Training(name, tiles, Execution(torch.device("cpu"), THREADS, *way)) for way in WAYS}
    taken = in_turn({way: training.step for way, training in ways.items()}, setting.rounds)
    config = validate({"network": name, "loss": "tripletloss", "validation_map": "osm", "device": "cpu"})
    with TemporaryDirectory() as cache:  # where no choice is kept yet
        started = time.perf_counter()
        chosen = resolve(config, network(config), tiles[:TRIAL_TILES], Path(cache))
        choosing = time.perf_counter() - started
    ours, fastest = taken[chosen.precision, chosen.channels_last], min(taken.values(), key=lambda t: t.median)
    plain = taken["fp32", False]
    return [
        *(Row(f"{name}, {told(way)}", timing.duration()) for way, timing in taken.items()),
        Row(f"{name}: chosen in {duration(choosing)}", f"{told((chosen.precision, chosen.channels_last))}, "
            f"{ours.times(plain)} as fast as plain fp32", "within a tenth of the fastest",
            ours.median <= 1.1 * fastest.median),
        Row(f"{name}, the same compiled", "" if setting.tiny else compiled(name, tiles, chosen, ours, setting)),
    ]  # fmt: skip


class Training:
    """A network and its optimizer, executed in one way."""

    def __init__(self, name: str, tiles: np.ndarray, way: Execution):
        config = validate({"network": name, "loss": "tripletloss", "validation_map": "osm", "device": "cpu"})
        self.way, self.tiles = way, way.to_device(tiles)
        self.network = network(config).train().to(memory_format=way.layout)
        self.forward = way.forward_of(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters())

    def step(self) -> None:
        """One training step."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.way.autocast():
            embeddings = self.forward(self.tiles)
        embeddings.square().sum().backward()
        self.optimizer.step()


def network(config: Config) -> torch.nn.Module:
    """The network of a run on RGB tiles."""
    normalise = Normalise([127.5] * 3, [1 / 127.5] * 3)
    return build(config.network, 3, SIZE, config.output_size, config.norm_output, normalise, config.seed)


def told(way: tuple[str, bool]) -> str:
    """Name of a way."""
    return way[0] + (", channels_last" if way[1] else "")


def compiled(name: str, tiles: np.ndarray, chosen: Execution, plain: Timing, setting: Setting) -> str:
    """Seconds per step of the compiled network, and of its first step."""
    way = Execution(chosen.device, THREADS, chosen.precision, chosen.channels_last, compile=True)
    training = Training(name, tiles, way)
    started = time.perf_counter()
    training.step()
    first = time.perf_counter() - started
    timing = in_turn({"step": training.step}, setting.rounds)["step"]
    return f"{timing.duration()}, {timing.times(plain)} as fast; the first step {duration(first)}"
