"""On what a run executes: device, threads, number format."""

import logging
import os
import statistics
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from config import Config, UserError

log = logging.getLogger(__name__)
TRIAL_STEPS, TRIAL_TILES, TRIAL_SECONDS = 3, 24, 1.0
LEAST_GAIN = 1.1  # of bf16 over fp32, below which the wider format is kept


@dataclass(frozen=True)
class Execution:
    """Device, threads and number format of a run, resolved.

    Attributes:
        device: where the network is
        threads: CPU cores this run may use
        precision: "fp32" or "bf16" (autocast)
    """

    device: torch.device
    threads: int
    precision: str

    def resolved(self) -> dict:
        """The config's keys that may be "auto", as what they came to."""
        return {"device": str(self.device), "threads": self.threads, "precision": self.precision}

    def autocast(self) -> AbstractContextManager:
        """The context in which the network runs."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def to_device(self, tiles: np.ndarray) -> torch.Tensor:
        """Tiles (N, C, H, W) on the device, in the map's own type; copied while the device works where it can."""
        tensor = torch.from_numpy(tiles)
        if self.device.type != "cuda":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)


def usable_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_threads(config: Config) -> int:
    """The number of threads of the run; torch, and what numpy and scikit-learn compute with, are told of it here."""
    threads = usable_cores() if config.threads == "auto" else config.threads
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    return threads


def resolve_device(name: str) -> torch.device:
    """The device a config names.

    Raises:
        UserError: this machine does not have it
    """
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    device = torch.device(name)
    absent = device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    if absent or (device.type == "mps" and not has_mps):
        raise UserError(f"'device' is {name}, which this machine does not have. Use \"auto\" or \"cpu\".")
    return device


def resolve(config: Config, network: nn.Module, tiles: np.ndarray) -> Execution:
    """Move the network to its device and choose the number format.

    Args:
        config: of the run
        network: on the CPU; moved in place; its weights stay as they are
        tiles: (N, C, H, W), a batch to measure with
    """
    device = resolve_device(config.device)
    network.to(device, memory_format=torch.channels_last)
    precision = config.precision if config.precision != "auto" else _faster_precision(device, network, tiles)
    return Execution(device, torch.get_num_threads(), precision)


def _faster_precision(device: torch.device, network: nn.Module, tiles: np.ndarray) -> str:
    """bf16 where a training step is faster with it on this machine, measured."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "mps":
        return "fp32"
    state = {name: value.clone() for name, value in network.state_dict().items()}
    seconds = {name: _step_seconds(Execution(device, 0, name), network, tiles) for name in ("fp32", "bf16")}
    network.load_state_dict(state)  # batch norm counted the trial's tiles
    chosen = "bf16" if seconds["fp32"] > LEAST_GAIN * seconds["bf16"] else "fp32"
    log.info("precision %s: a step takes %.3f s in fp32, %.3f s in bf16", chosen, seconds["fp32"], seconds["bf16"])
    return chosen


def _step_seconds(execution: Execution, network: nn.Module, tiles: np.ndarray) -> float:
    """Median time of a forward and backward pass, after one to warm up; fewer passes where they take long."""
    network.train()
    batch, seconds = execution.to_device(tiles), []
    while len(seconds) < 2 or (len(seconds) <= TRIAL_STEPS and sum(seconds) < TRIAL_SECONDS):
        start = time.perf_counter()
        with execution.autocast():
            embeddings = network(batch)
        embeddings.square().sum().backward()
        seconds.append(time.perf_counter() - start)
    network.zero_grad(set_to_none=True)
    return statistics.median(seconds[1:])
