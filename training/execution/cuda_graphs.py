"""CUDA graphs: on a GPU, start the training passes of a network with two calls instead of kernel by kernel."""

import logging
from typing import cast

import torch
from torch import Tensor, nn

from training.execution.device import Execution, Forward

log = logging.getLogger(__name__)


class GraphedForward:
    """The forward and backward pass of a network in training mode, captured once and replayed for every batch.

    A GPU may finish the kernels of a small batch before Python has started them one by one. Two CUDA graphs, one for
    the forward and one for the backward pass, start all kernels at once
    (https://docs.pytorch.org/docs/stable/notes/cuda.html#partial-network-capture). All batches must have one shape. The
    weights may change in place between replays. The memory of the passes stays reserved on the GPU.

    Args:
        network: tiles (N, C, H, W) -> embeddings (N, D); its weights and statistics are not changed
        execution: on a GPU that nothing else uses during the capture, not even another thread of this process
        tiles: (N, C, H, W) on that device, with the shape and type of all batches
    Raises:
        RuntimeError: the passes cannot be captured: Python needs a value from the GPU in between, or the memory is
            too small
    """

    def __init__(self, network: nn.Module, execution: Execution, tiles: Tensor):
        self._captured = tiles.shape, tiles.dtype
        state = {name: value.clone() for name, value in network.state_dict().items()}
        training = network.training
        # gradients are accumulated in the stream of the capture, not in the current one: torch synchronises them
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
        try:
            with execution.autocast():
                replay = torch.cuda.make_graphed_callables(_Wrapper(network.train()), (tiles,))
        finally:
            network.train(training).load_state_dict(state)  # undo the batch-norm update by these tiles
        self._replay = cast(Forward, replay)

    def accepts(self, tiles: Tensor) -> bool:
        """Whether the tiles have the shape and type of the captured batch."""
        return (tiles.shape, tiles.dtype) == self._captured

    def __call__(self, tiles: Tensor) -> Tensor:
        """Return the embeddings (N, D), with gradient."""
        return self._replay(tiles).clone()  # the next replay overwrites this result


class _Wrapper(nn.Module):
    """Calls the network. The capture replaces the `forward` of the captured module; the network must keep its own."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, tiles: Tensor) -> Tensor:
        return self.network(tiles)


def capture(network: nn.Module, execution: Execution, tiles: Tensor) -> GraphedForward | None:
    """Return the captured passes; None, after a log line, if they cannot be captured. See GraphedForward."""
    try:
        graphed = GraphedForward(network, execution, tiles)
    except RuntimeError as error:
        torch.cuda.empty_cache()
        log.info("The training pass is not captured as CUDA graphs (%s). Small batches are slower without them.",
                 str(error).splitlines()[0])  # fmt: skip
        return None
    log.info("The training pass is captured as CUDA graphs, for batches of %d tiles.", len(tiles))
    return graphed
