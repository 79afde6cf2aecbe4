"""Chooses on what and how a run executes, where its config leaves that open: the fastest, measured on a CPU."""

import logging
import statistics
import time

import numpy as np
import torch
from torch import nn

from config import Config, UserError
from training.execution.device import Execution, resolve_device

log = logging.getLogger(__name__)
TRIAL_STEPS, TRIAL_TILES, TRIAL_SECONDS = 3, 8, 0.3
MIN_GAIN = 1.1  # of bf16 over fp32, below which the wider format is kept


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
    was in memory before: now and then values of 1e30. Seen with torch 2.12.1, and with 2.14.1 on an Intel Xeon
    with AVX-512 and bf16; findings/bf16_strided_convolution_gradients.sh shows it.
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
    chosen = fastest if seconds[best] > MIN_GAIN * seconds[fastest] else best
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
