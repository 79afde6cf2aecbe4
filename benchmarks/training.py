"""The training of a run as `python main.py` sets it up, without reports and evaluations."""

import copy
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from assembly import make_network
from benchmarks.maps import SIDE, benchmark_maps
from benchmarks.measure import Setting
from benchmarks.runs import open_run
from dataProcessors.sampling.batch import Batch
from dataProcessors.sampling.reading_ahead import read_ahead
from dataProcessors.statistics import normalisation
from training.execution.cuda_graphs import GraphedForward
from training.execution.device import Execution, resolve_threads
from training.execution.precision import TRIAL_TILES, resolve
from training.execution.processes import ALONE, Processes
from training.forward import ForwardPass
from training.progress import Progress
from training.runs.checkpoint import Checkpoints
from training.steps.step_table import make_step
from training.trainer import Trainer


class NoReports:
    """Replaces the reporter and the scorer of snapshots; does nothing."""

    evaluator = None

    def log_step(self, step: int, values: dict) -> None:
        """Report nothing."""

    def flush(self) -> None:
        """Write nothing."""

    def poll(self, seconds_left: float) -> None:
        """Wait for nothing."""


class BenchmarkRun:
    """Network, maps and trainer of a run on the benchmark's maps; by default resnext50 at 96 px, 24 triplets.

    Args:
        setting: of the benchmark
        side: of the map in pixels
        processes: those that train together
        keys: config keys with other values

    Attributes:
        seconds: name -> seconds so far of the functions with this name; see `timed`
    """

    def __init__(self, setting: Setting, side: int = SIDE, processes: Processes = ALONE, **keys):
        small = {"network": "test_resnet", "image_size": 32, "validation_nb": 100} if setting.tiny else {}
        paths = benchmark_maps(setting.folder, setting.number(side, 2_500))
        self.config, self.maps = open_run(setting, paths, **small | keys)
        resolve_threads(self.config)
        step = make_step(self.config, self.maps, processes.share)
        scaling = normalisation(self.maps.image, self.config.image_size, self.maps.area)
        self.network = make_network(self.config, self.maps, scaling)
        tiles = self.maps.read(self.maps.pools["fit"].positions[:TRIAL_TILES])
        self.execution = resolve(self.config, self.network, tiles, processes=processes)
        forward = ForwardPass(self.config, self.network, self.execution, self.maps, processes)
        progress, checkpoints = Progress(self.config, self.maps, NoReports()), Checkpoints(setting.folder, 10)
        self.trainer = Trainer(self.config, step, forward, progress, NoReports(), checkpoints, None)
        forward.capture_cuda_graphs(step.batches.size)
        self.batches = self._batches()
        self.seconds: dict[str, float] = {}

    def _batches(self) -> Iterator[Batch]:
        batches, forward = self.trainer.step.batches, self.trainer.forward
        return read_ahead(forward.with_transfer(batches.task(step)) for step in range(1, 10**9))

    def step(self) -> None:
        """Wait for a batch and do one training step."""
        started = time.perf_counter()
        batch = self.timed("waiting", next)(self.batches)
        self.trainer._train_step(batch, time.perf_counter() - started)

    def timed(self, name: str, function: Callable) -> Callable:
        """Return the function; each call adds its time to `seconds[name]`."""

        def call(*arguments, **keywords):
            started = time.perf_counter()
            result = function(*arguments, **keywords)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
            return result

        return call


class NetworkTraining:
    """Forward, backward and optimizer of a copy of the run's network, on one batch of tiles in memory.

    Args:
        run: whose network and tiles are used
        graphed: whether forward and backward are CUDA graphs
    """

    def __init__(self, run: BenchmarkRun, graphed: bool = False):
        self.network = copy.deepcopy(run.network).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), **run.trainer.optimizer.defaults)
        self.execution: Execution = run.execution
        self.tiles = run.execution.to_device(next(run.batches).tiles)
        self.loss = run.trainer.step.loss
        self.forward = GraphedForward(self.network, self.execution, self.tiles) if graphed else self.network

    def step(self) -> None:
        """Do one step; the thirds of the batch are anchors, positives and negatives."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.execution.autocast():
            embeddings = self.forward(self.tiles)
        self.loss(*embeddings.chunk(3)).backward()
        self.optimizer.step()


def random_tiles(run: BenchmarkRun, number: int) -> np.ndarray:
    """Read `number` random tiles of the training area."""
    return run.maps.read(run.maps.area.draw(number, np.random.default_rng(0)))
