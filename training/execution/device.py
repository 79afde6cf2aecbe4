"""How a run executes: device, threads, precision, memory layout, compilation."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from config import Config, UserError
from training.execution.processes import ALONE, Processes

Forward = Callable[[torch.Tensor], torch.Tensor]  # tiles (N, C, H, W) -> embeddings (N, D)
PendingTensor = Callable[[], torch.Tensor]  # waits until a copy is complete, then returns it
Timestamp = float | torch.cuda.Event  # a moment in the work of a device


class MissingDevice(UserError):
    """This machine does not have a device."""


@dataclass(frozen=True)
class Execution:
    """How a run executes, with every "auto" of the config resolved.

    Attributes:
        device: device of the network
        threads: number of CPU cores that this run may use
        precision: "fp32" or "bf16" (autocast)
        channels_last: whether the bands of a pixel are adjacent in memory; else each band is a plane
        compile: whether the network is compiled
        device_name: the device as a config names it, where it stands for another one in each process; "": `device`
    """

    device: torch.device
    threads: int
    precision: str
    channels_last: bool = True
    compile: bool = False
    device_name: str = ""

    def resolved(self) -> dict:
        """Return the resolved values of the config keys that may be "auto"."""
        return {
            "device": self.device_name or str(self.device),
            "threads": self.threads,
            "precision": self.precision,
            "channels_last": self.channels_last,
        }

    @property
    def layout(self) -> torch.memory_format:
        """Memory format of tiles and weights."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def max_pending_steps(self) -> int:
        """Number of steps that may be started before waiting for the results of one, so that a GPU never waits."""
        return 1 if self.device.type == "cuda" else 0

    @property
    def supports_cuda_graphs(self) -> bool:
        """Whether passes can be captured as CUDA graphs; see training.execution.cuda_graphs."""
        return self.device.type == "cuda"

    def autocast(self) -> AbstractContextManager:
        """Return the context in which the network runs."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)  # each weight is used once

    def to_device(self, tiles: np.ndarray) -> torch.Tensor:
        """Copy tiles (N, C, H, W) to the device, in the map's own type; on a GPU the copy does not block."""
        tensor = torch.from_numpy(tiles).contiguous(memory_format=self.layout)
        if self.device.type != "cuda":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def start_upload(self, tiles: np.ndarray) -> PendingTensor:
        """Start to copy tiles to the device, from any thread, while the device computes. Return the pending copy."""
        if self.device.type != "cuda":
            return lambda: self.to_device(tiles)
        with torch.cuda.stream(_copy_stream(self.device)):
            tensor, copied = self.to_device(tiles), torch.cuda.Event()
            copied.record()

        def wait() -> torch.Tensor:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(copied)
            tensor.record_stream(stream)
            return tensor

        return wait

    def start_download(self, values: torch.Tensor) -> PendingTensor:
        """Start to copy values to the CPU. The pending copy waits for them, but not for later work of the device."""
        if self.device.type != "cuda":
            on_cpu = values.cpu()
            return lambda: on_cpu
        on_cpu, copied = values.to("cpu", non_blocking=True), torch.cuda.Event()
        copied.record(torch.cuda.current_stream(self.device))

        def wait() -> torch.Tensor:
            copied.synchronize()
            return on_cpu

        return wait

    def timestamp(self) -> Timestamp:
        """Return the moment when the device finishes all work that it has got so far; on a CPU: now."""
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    @staticmethod
    def seconds_between(earlier: Timestamp, later: Timestamp) -> float:
        """Return the seconds from one timestamp to a later one; wait until the device reaches it."""
        if isinstance(earlier, float) or isinstance(later, float):
            return cast(float, later) - cast(float, earlier)  # both are of one device
        later.synchronize()
        return earlier.elapsed_time(later) / 1000

    def forward_function(self, network: nn.Module) -> nn.Module:
        """Return the network, or its compiled version, which is compiled at the first call."""
        return cast(nn.Module, torch.compile(network)) if self.compile else network


@cache
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream for copies to a GPU, separate from its computations."""
    return torch.cuda.Stream(device)


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_threads(config: Config, processes: Processes = ALONE) -> int:
    """Return the number of threads of each process, and set it for torch, numpy and scikit-learn."""
    threads = max(usable_cores() // processes.local_number, 1) if config.threads == "auto" else config.threads
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    return threads


def resolve_device(name: str, processes: Processes = ALONE) -> torch.device:
    """Return the device that a config names; of several processes each has a GPU of its own.

    Raises:
        MissingDevice: this machine does not have the device
        UserError: it has too few of them, or several processes would share one
    """
    device = _named_device(name)
    if not processes.are_many or device.type != "cuda":
        return device
    if device.index is not None:
        raise UserError(f"'device' is {name}, one GPU, and each of {processes.number} processes has one. Use \"cuda\".")
    if processes.local_number > torch.cuda.device_count():
        raise UserError(
            f"{processes.local_number} processes were started on a machine with {torch.cuda.device_count()} GPUs, and "
            "each needs one of its own. Start fewer, or set 'device' to \"cpu\"."
        )
    return torch.device("cuda", processes.local_rank)


def _named_device(name: str) -> torch.device:
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    device = torch.device(name)
    is_missing = device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    if is_missing or (device.type == "mps" and not has_mps):
        raise MissingDevice(f'\'device\' is {name}, which this machine does not have. Use "auto" or "cpu".')
    return device
