"""Resolve device, precision and memory layout where the config says "auto": on a CPU measured once, then saved."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from config import Config, UserError
from dataProcessors import maps
from dataProcessors.cache import PRECISION
from storage import StorageError
from training.execution import trials
from training.execution.device import Execution, resolve_device
from training.execution.machine import describe_machine
from training.execution.processes import ALONE, Processes
from training.execution.saved_choice import Choice, SavedChoice

log = logging.getLogger(__name__)
TRIAL_TILES = trials.MAX_TILES


def resolve(
    config: Config, network: nn.Module, tiles: np.ndarray, cache: Path | None = None, processes: Processes = ALONE
) -> Execution:
    """Move the network to its device, and return how the run executes it: as configured, else in the fastest way.

    On a GPU the fastest way is known. On a CPU it is measured once, saved in the cache, and read from there by later
    runs, even if `cache` is false for the maps: otherwise equal configs would not give equal runs.

    Args:
        config: config of the run
        network: on the CPU; moved in place, its weights keep their values
        tiles: (N, C, H, W) tiles to measure with
        cache: cache folder; None: the one of the maps
        processes: those that train together, all in the way of the first one
    Raises:
        UserError: `compile` is true, but torch cannot compile here; or `precision` is bf16, but its gradients would be
            wrong
    """
    device, threads = resolve_device(config.device, processes), torch.get_num_threads()
    if config.compile:
        _check_compiler(device)
    bf16_is_wrong = device.type == "cpu" and config.precision != "fp32" and strides_beyond_map(network, tiles)
    network.to(device)
    precisions = processes.broadcast(lambda: _precisions(device, config))
    if bf16_is_wrong:
        precisions = _without_bf16(precisions, config)
    layouts = _layouts(device) if config.channels_last == "auto" else [config.channels_last]
    name = device.type if processes.are_many else ""
    ways = [Execution(device, threads, p, layout, config.compile, name) for p in precisions for layout in layouts]
    choices = lambda: ways.index(choose(ways, config, network, tiles, cache or maps.CACHE))  # noqa: E731
    execution = ways[0] if len(ways) == 1 else ways[processes.broadcast(choices)]
    network.to(memory_format=execution.layout)
    return execution


def _precisions(device: torch.device, config: Config) -> list[str]:
    """Return the number formats to choose from, the widest first."""
    if config.precision != "auto":
        return [config.precision]
    if device.type == "cuda":
        return ["bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"]
    return ["fp32", "bf16"] if device.type == "cpu" else ["fp32"]


def strides_beyond_map(network: nn.Module, tiles: np.ndarray) -> bool:
    """Whether the stride of a convolution (kernel larger than 1) is larger than a side of its input.

    For such a convolution oneDNN, torch's library for CPUs, computes wrong weight gradients in bf16: they contain
    values that were in memory before, sometimes 1e30. Seen with torch 2.12.1, and with 2.14.1 on an Intel Xeon with
    AVX-512 and bf16; findings/bf16_strided_convolution_gradients.sh shows it.
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
    """Return the values of channels_last to choose from; on a GPU channels_last is known to be the faster one."""
    return [False, True] if device.type == "cpu" else [True]


def _check_compiler(device: torch.device) -> None:
    try:
        torch.compile(lambda x: x + 1)(torch.ones(2, device=device))
    except Exception as error:  # torch's own errors here have no class in common
        raise UserError(f"'compile' is true, but torch cannot compile here: {error}. Set it to false.") from None


def choose(ways: Sequence[Execution], config: Config, network: nn.Module, tiles: np.ndarray, cache: Path) -> Execution:
    """Return the saved choice for this machine and network; without one measure, save and return the fastest way.

    If the timings are unclear, or the choice cannot be saved, return the first way, plain fp32, and save nothing.
    """
    named = {way_name(way): way for way in ways}
    saved = SavedChoice(cache / PRECISION, list(named), describe_machine() | describe_network(config, tiles))
    choice = saved.load()
    if choice is not None:
        return _use_saved(named, choice, saved)
    try:
        with saved.exclusive():
            choice = saved.load()  # another process may have measured meanwhile
            return _measure(named, network, tiles, saved) if choice is None else _use_saved(named, choice, saved)
    except (trials.UnclearTimings, StorageError) as reason:
        log.warning("%s is used in this run, and no choice is saved: %s", way_name(ways[0]), reason)
        return ways[0]


def _use_saved(named: dict[str, Execution], choice: Choice, saved: SavedChoice) -> Execution:
    log.info("%s is used, as measured on %s for this machine and network: %s", choice.way, choice.date, saved.path)
    return named[choice.way]


def _measure(named: dict[str, Execution], network: nn.Module, tiles: np.ndarray, saved: SavedChoice) -> Execution:
    """Measure the fastest way, save it, and return it."""
    names, rounds = list(named), trials.time_ways(list(named.values()), network, tiles)
    name = names[trials.fastest_way(rounds)]
    reason = trials.describe(names, rounds)
    saved.save(name, reason)
    log.info("%s is used, now and in every later run (%s): %s", name, saved.path, reason)
    return named[name]


def describe_network(config: Config, tiles: np.ndarray) -> dict:
    """Return the keys of the config that influence which way is fastest, as JSON values.

    Weights and `norm_output` do not matter; the loss and the batch size take no part in the trials.
    """
    return {
        "network": config.network, "freeze": config.freeze, "output_size": config.output_size,
        "bands": tiles.shape[1], "image_size": tiles.shape[2],
    }  # fmt: skip


def way_name(way: Execution) -> str:
    """Return the precision and the layout as text, for logs and the saved choice."""
    return way.precision + (" channels_last" if way.channels_last else "")
