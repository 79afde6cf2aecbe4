"""On what and how a run executes: device, threads, number format, memory layout, compiled or not."""

import logging
import os
import statistics
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

log = logging.getLogger(__name__)
TRIAL_STEPS, TRIAL_TILES, TRIAL_SECONDS = 3, 8, 0.3
LEAST_GAIN = 1.1  # of bf16 over fp32, below which the wider format is kept

Forward = Callable[[torch.Tensor], torch.Tensor]  # tiles (N, C, H, W) -> embeddings (N, D)
Later = Callable[[], torch.Tensor]  # waits for what is on its way
Mark = float | torch.cuda.Event  # a moment of a device's work


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
    def steps_ahead(self) -> int:
        """Steps that are begun before the results of one are waited for: else a GPU would wait for what follows."""
        return 1 if self.device.type == "cuda" else 0

    def autocast(self) -> AbstractContextManager:
        """The context in which the network runs."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def to_device(self, tiles: np.ndarray) -> torch.Tensor:
        """Tiles (N, C, H, W) on the device, in the map's own type; copied while the device works where it can."""
        tensor = torch.from_numpy(tiles).contiguous(memory_format=self.layout)
        if self.device.type != "cuda":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def send(self, tiles: np.ndarray) -> Later:
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

    def fetch(self, values: torch.Tensor) -> Later:
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

    def mark(self) -> Mark:
        """The moment when the device is done with all that it was given: now, unless it works ahead."""
        if self.device.type != "cuda":
            return time.perf_counter()
        mark = torch.cuda.Event(enable_timing=True)
        mark.record(torch.cuda.current_stream(self.device))
        return mark

    @staticmethod
    def seconds_between(earlier: Mark, later: Mark) -> float:
        """Seconds from one mark to another; waits for it."""
        if isinstance(later, float):
            return later - earlier
        later.synchronize()
        return earlier.elapsed_time(later) / 1000

    def forward_of(self, network: nn.Module) -> Forward:
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


def resolve(config: Config, network: nn.Module, tiles: np.ndarray) -> Execution:
    """Move the network to its device and choose number format and layout: those asked for, else the fastest.

    Which is fastest is known of GPUs, and measured on a CPU.

    Args:
        config: of the run
        network: on the CPU; moved in place; its weights stay as they are
        tiles: (N, C, H, W), a batch to measure with
    Raises:
        UserError: `compile` is asked for, and nothing can be compiled on this machine; or bf16 is, and would go wrong
    """
    device, threads = resolve_device(config.device), torch.get_num_threads()
    if config.compile:
        _check_compiler(device)
    bf16_is_wrong = device.type == "cpu" and config.precision != "fp32" and strides_beyond_map(network, tiles)
    network.to(device)
    precisions = _precisions(device) if config.precision == "auto" else [config.precision]
    if bf16_is_wrong:
        precisions = _without_bf16(precisions, config)
    layouts = _layouts(device) if config.channels_last == "auto" else [config.channels_last]
    ways = [Execution(device, threads, p, layout, config.compile) for p in precisions for layout in layouts]
    execution = ways[0] if len(ways) == 1 else _fastest(ways, network, tiles)
    network.to(memory_format=execution.layout)
    return execution


def _precisions(device: torch.device) -> list[str]:
    """Number formats among which the faster is to be found, the widest first."""
    if device.type == "cuda":
        return ["bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"]
    return ["fp32", "bf16"] if device.type == "cpu" else ["fp32"]


def strides_beyond_map(network: nn.Module, tiles: np.ndarray) -> bool:
    """Whether a convolution of several pixels has a larger stride than the map it is given is wide.

    The weight gradients that oneDNN, torch's library for CPUs, gives for such a one in bf16 hold in part whatever
    was in memory before (seen with torch 2.12.1): now and then values of 1e30.
    """
    found = []

    def look(convolution: nn.Conv2d, inputs: tuple[torch.Tensor]) -> None:
        narrow = min(inputs[0].shape[2:]) < max(convolution.stride)
        found.append(narrow and max(convolution.kernel_size) > 1)

    hooks = [module.register_forward_pre_hook(look) for module in network.modules() if isinstance(module, nn.Conv2d)]
    training = network.training
    with torch.no_grad():
        network.eval()(torch.from_numpy(tiles[:1]))
    network.train(training)
    for hook in hooks:
        hook.remove()
    return any(found)


def _without_bf16(precisions: list[str], config: Config) -> list[str]:
    if precisions == ["bf16"]:
        raise UserError(
            f"'precision' is bf16, in which a CPU gives wrong gradients for {config.network} with tiles as small as "
            f"{config.image_size} pixels. Choose fp32, or a larger 'image_size'."
        )
    log.info("bf16 is left out: it would give wrong gradients with tiles of %d pixels on a CPU", config.image_size)
    return [precision for precision in precisions if precision != "bf16"]


def _layouts(device: torch.device) -> list[bool]:
    """Whether to try channels_last; on a GPU it is known to be what convolutions take."""
    return [False, True] if device.type == "cpu" else [True]


def _check_compiler(device: torch.device) -> None:
    try:
        torch.compile(lambda x: x + 1)(torch.ones(2, device=device))
    except Exception as error:  # torch's own errors here have no class in common
        raise UserError(f"'compile' is true, but torch cannot compile here: {error}. Set it to false.") from None


def _fastest(ways: list[Execution], network: nn.Module, tiles: np.ndarray) -> Execution:
    """The way in which a training step is fastest on this machine, measured; bf16 only where it gains enough."""
    state = {name: value.clone() for name, value in network.state_dict().items()}
    seconds = {way: _step_seconds(way, network, tiles) for way in ways}
    network.load_state_dict(state)  # batch norm counted the trial's tiles
    best = min((way for way in ways if way.precision == ways[0].precision), key=seconds.get)
    fastest = min(ways, key=seconds.get)
    chosen = fastest if seconds[best] > LEAST_GAIN * seconds[fastest] else best
    told = ", ".join(f"{_name(way)} {taken:.3f} s" for way, taken in seconds.items())
    log.info("%s is used: a step of %d tiles takes in %s", _name(chosen), len(tiles), told)
    return chosen


def _name(way: Execution) -> str:
    return way.precision + (" channels_last" if way.channels_last else "")


def _step_seconds(execution: Execution, network: nn.Module, tiles: np.ndarray) -> float:
    """Median time of a forward and backward pass, not compiled, after one to warm up; fewer where they take long."""
    network.train().to(memory_format=execution.layout)
    batch, seconds = execution.to_device(tiles), []
    while len(seconds) < 2 or (len(seconds) <= TRIAL_STEPS and sum(seconds) < TRIAL_SECONDS):
        start = time.perf_counter()
        with execution.autocast():
            embeddings = network(batch)
        embeddings.square().sum().backward()
        seconds.append(time.perf_counter() - start)
    network.zero_grad(set_to_none=True)
    return statistics.median(seconds[1:])
