"""On a GPU: the training pass of a network, asked for in two calls instead of kernel by kernel."""

import logging

import torch
from torch import Tensor, nn

from training.execution.device import Execution

log = logging.getLogger(__name__)


class GraphedForward:
    """The pass of a network in training, with gradient, for batches of one shape: captured once, replayed for each.

    A GPU can be done with the kernels of a small batch sooner than Python has asked for them one by one. Two CUDA
    graphs, of the forward and of the backward pass, ask for all of them at once
    (https://docs.pytorch.org/docs/stable/notes/cuda.html#partial-network-capture). The weights may change between
    replays, in place; what the pass works in stays reserved on the GPU.

    Args:
        network: tiles (N, C, H, W) -> embeddings (N, D); its weights and statistics stay as they are
        execution: on a GPU that nothing else uses meanwhile, no thread of this process either
        tiles: (N, C, H, W) on that device, as all batches will be
    Raises:
        RuntimeError: the pass cannot be captured: it needs a number on its way, or there is too little memory
    """

    def __init__(self, network: nn.Module, execution: Execution, tiles: Tensor):
        self._kind = tiles.shape, tiles.dtype
        state = {name: value.clone() for name, value in network.state_dict().items()}
        training = network.training
        # the weights' gradients are summed where the pass was captured, in another stream: torch waits as it has to
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
        try:
            with execution.autocast():
                self._replay = torch.cuda.make_graphed_callables(_Pass(network.train()), (tiles,))
        finally:
            network.train(training).load_state_dict(state)  # batch norm counted these tiles

    def accepts(self, tiles: Tensor) -> bool:
        """Whether the tiles have the shape and type of those that were captured."""
        return (tiles.shape, tiles.dtype) == self._kind

    def __call__(self, tiles: Tensor) -> Tensor:
        """Embeddings (N, D), with gradient."""
        return self._replay(tiles).clone()  # the next replay writes where this one did


class _Pass(nn.Module):
    """Calls a network. To be captured means to have one's `forward` replaced, which the network itself must keep."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, tiles: Tensor) -> Tensor:
        return self.network(tiles)


def capture(network: nn.Module, execution: Execution, tiles: Tensor) -> GraphedForward | None:
    """The captured pass; None, with a line in the log, where it cannot be captured. See GraphedForward."""
    try:
        graphed = GraphedForward(network, execution, tiles)
    except RuntimeError as error:
        torch.cuda.empty_cache()
        log.info("The training pass is not captured as CUDA graphs (%s), which is slower where batches are small.",
                 str(error).splitlines()[0])  # fmt: skip
        return None
    log.info("The training pass is captured as CUDA graphs, for batches of %d tiles.", len(tiles))
    return graphed
