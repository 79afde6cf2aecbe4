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

from benchmarks.measure import Row, Setting, Timing, format_duration, in_turn
from config import Config, validate
from networks import Architecture, Normalise, build
from training.execution.device import Execution
from training.execution.precision import TRIAL_TILES, resolve

SIZE, TILES, THREADS = 96, 72, 2
WAYS = [("fp32", False), ("fp32", True), ("bf16", False), ("bf16", True)]
NETWORKS = ("resnext50", "transformer")


def measure(setting: Setting) -> list[Row]:
    """Measure both networks of the published system."""
    torch.set_num_threads(THREADS)
    if setting.tiny:
        return measure_network("test_resnet", setting)[:-1]  # compiling takes a minute at any size
    return [row for name in NETWORKS for row in measure_network(name, setting)]


def measure_network(name: str, setting: Setting) -> list[Row]:
    """Measure every way, and the chosen one against the fastest one."""
    tiles = np.random.default_rng(0).integers(0, 255, (setting.number(TILES, 8), SIZE, SIZE, 3), dtype=np.uint8)
    tiles = tiles.transpose(0, 3, 1, 2)
    ways = {way: Training(name, tiles, Execution(torch.device("cpu"), THREADS, *way)) for way in WAYS}
    timings = in_turn({way: training.step for way, training in ways.items()}, setting.rounds)
    config = validate({"network": name, "loss": "tripletloss", "validation_map": "osm", "device": "cpu"})
    with TemporaryDirectory() as cache:  # where no choice is saved yet
        started = time.perf_counter()
        chosen = resolve(config, make_network(config), tiles[:TRIAL_TILES], Path(cache))
        choosing = time.perf_counter() - started
    ours, fastest = timings[chosen.precision, chosen.channels_last], min(timings.values(), key=lambda t: t.median)
    plain = timings["fp32", False]
    return [
        *(Row(f"{name}, {way_name(way)}", timing.duration()) for way, timing in timings.items()),
        Row(f"{name}: chosen in {format_duration(choosing)}", f"{way_name((chosen.precision, chosen.channels_last))}, "
            f"{ours.times(plain)} as fast as plain fp32", "within a tenth of the fastest",
            ours.median <= 1.1 * fastest.median),
        Row(f"{name}, the same compiled", "" if setting.tiny else measure_compiled(name, tiles, chosen, ours, setting)),
    ]  # fmt: skip


class Training:
    """A network and its optimizer, executed with one number format and layout."""

    def __init__(self, name: str, tiles: np.ndarray, way: Execution):
        config = validate({"network": name, "loss": "tripletloss", "validation_map": "osm", "device": "cpu"})
        self.way, self.tiles = way, way.to_device(tiles)
        self.network = make_network(config).train().to(memory_format=way.layout)
        self.forward = way.forward_function(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters())

    def step(self) -> None:
        """Do one training step."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.way.autocast():
            embeddings = self.forward(self.tiles)
        embeddings.square().sum().backward()
        self.optimizer.step()


def make_network(config: Config) -> torch.nn.Module:
    """Return the network of a run on RGB tiles."""
    normalise = Normalise([127.5] * 3, [1 / 127.5] * 3)
    return build(Architecture.of(config.model_copy(update={"image_size": SIZE}), 3), normalise, config.seed)


def way_name(way: tuple[str, bool]) -> str:
    """Return the name of a number format and layout."""
    return way[0] + (", channels_last" if way[1] else "")


def measure_compiled(name: str, tiles: np.ndarray, chosen: Execution, plain: Timing, setting: Setting) -> str:
    """Measure seconds per step of the compiled network, and of its first step."""
    way = Execution(chosen.device, THREADS, chosen.precision, chosen.channels_last, compile=True)
    training = Training(name, tiles, way)
    started = time.perf_counter()
    training.step()
    first = time.perf_counter() - started
    timing = in_turn({"step": training.step}, setting.rounds)["step"]
    return f"{timing.duration()}, {timing.times(plain)} as fast; the first step {format_duration(first)}"
