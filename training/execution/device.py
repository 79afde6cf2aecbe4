"""On what and how a run executes: device, threads, number format, memory layout, compiled or not."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from config import Config, UserError

Forward = Callable[[torch.Tensor], torch.Tensor]  # tiles (N, C, H, W) -> embeddings (N, D)
PendingTensor = Callable[[], torch.Tensor]  # waits for what is on its way
Timestamp = float | torch.cuda.Event  # a moment of a device's work


@dataclass(frozen=True)
class Execution:
    """How a run executes, resolved.

    Attributes:
        device: where the network is
        threads: CPU cores this run may use
        precision: "fp32" or "bf16" (autocast)
        channels_last: whether the bands of a pixel lie side by side in memory; else each band is a plane
        compile: whether the network is compiled
    """

    device: torch.device
    threads: int
    precision: str
    channels_last: bool = True
    compile: bool = False

    def resolved(self) -> dict:
        """The config's keys that may be "auto", as what they came to."""
        return {
            "device": str(self.device),
            "threads": self.threads,
            "precision": self.precision,
            "channels_last": self.channels_last,
        }

    @property
    def layout(self) -> torch.memory_format:
        """Of tiles and weights in memory."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def max_pending_steps(self) -> int:
        """Steps that are begun before the results of one are waited for: else a GPU would wait for what follows."""
        return 1 if self.device.type == "cuda" else 0

    @property
    def supports_cuda_graphs(self) -> bool:
        """Whether what the device is asked for can be captured as CUDA graphs and replayed; see training.execution.cuda_graphs."""
        return self.device.type == "cuda"

    def autocast(self) -> AbstractContextManager:
        """The context in which the network runs."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)  # of weights used once

    def to_device(self, tiles: np.ndarray) -> torch.Tensor:
        """Tiles (N, C, H, W) on the device, in the map's own type; copied while the device works where it can."""
        tensor = torch.from_numpy(tiles).contiguous(memory_format=self.layout)
        if self.device.type != "cuda":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def send(self, tiles: np.ndarray) -> PendingTensor:
        """The same, begun now, by any thread, while the device does something else; what waits for it there."""
        if self.device.type != "cuda":
            return lambda: self.to_device(tiles)
        with torch.cuda.stream(_copying(self.device)):
            tensor, sent = self.to_device(tiles), torch.cuda.Event()
            sent.record()

        def arrived() -> torch.Tensor:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(sent)
            tensor.record_stream(stream)
            return tensor

        return arrived

    def fetch(self, values: torch.Tensor) -> PendingTensor:
        """Values on their way from the device; what waits for them there, and not for what it is given after them."""
        if self.device.type != "cuda":
            fetched = values.cpu()
            return lambda: fetched
        here, fetched = values.to("cpu", non_blocking=True), torch.cuda.Event()
        fetched.record(torch.cuda.current_stream(self.device))

        def arrived() -> torch.Tensor:
            fetched.synchronize()
            return here

        return arrived

    def timestamp(self) -> Timestamp:
        """The moment when the device is done with all that it was given: now, unless it works ahead."""
        if self.device.type != "cuda":
            return time.perf_counter()
        mark = torch.cuda.Event(enable_timing=True)
        mark.record(torch.cuda.current_stream(self.device))
        return mark

    @staticmethod
    def seconds_between(earlier: Timestamp, later: Timestamp) -> float:
        """Seconds from one mark to another; waits for it."""
        if isinstance(later, float):
            return later - earlier
        later.synchronize()
        return earlier.elapsed_time(later) / 1000

    def forward_function(self, network: nn.Module) -> Forward:
        """What calls the network: itself, or what it is compiled to when it is first called."""
        return torch.compile(network) if self.compile else network


@cache
def _copying(device: torch.device) -> torch.cuda.Stream:
    """What copies to a GPU are queued in, apart from what it computes."""
    return torch.cuda.Stream(device)


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
        raise UserError(f'\'device\' is {name}, which this machine does not have. Use "auto" or "cpu".')
    return device
