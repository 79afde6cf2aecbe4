"""Batch normalisation folded into the convolutions before it, for a network that is applied and not trained further.

With fixed statistics, a batch norm after a convolution is a convolution with other weights: one pass over memory less.
The values differ by rounding.
"""

import logging
from collections import Counter
from typing import cast

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

NORMS = (nn.BatchNorm2d, BatchNormAct2d)


class _Tracer(fx.Tracer):
    """Follows tensors through a network; convolutions and batch norms are not looked into."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (nn.Conv2d, nn.BatchNorm2d)) or super().is_leaf_module(m, module_qualified_name)


@torch.no_grad()
def fuse_batchnorm(network: nn.Module) -> int:
    """Fold the batch norms of a network in evaluation mode into the convolutions before them, in place.

    That is done where a convolution's output goes to a batch norm and nowhere else. A network whose forward pass
    depends on its tensors' values cannot be followed, and stays as it is.

    Returns:
        how many were folded
    """
    modules, pairs = dict(network.named_modules()), _pairs(network)
    for before, after in pairs:
        convolution, norm = cast(nn.Conv2d, modules[before]), cast(nn.BatchNorm2d, modules[after])
        network.set_submodule(before, fuse_conv_bn_eval(convolution, norm))
        network.set_submodule(after, _without_normalisation(norm))
    return len(pairs)


def _pairs(network: nn.Module) -> list[tuple[str, str]]:
    """Return the names of convolutions and of the batch norms after them."""
    try:
        graph = _Tracer().trace(network)
    except Exception as error:  # timm's thousand models raise many kinds of errors
        logging.getLogger(__name__).debug("batch norms are not folded: %s", error)
        return []
    modules = dict(network.named_modules())
    calls = {node: modules[str(node.target)] for node in graph.nodes if node.op == "call_module"}
    times = Counter(map(id, calls.values()))
    pairs = []
    for node, norm in calls.items():
        before = node.args[0] if type(norm) in NORMS else None
        if not (isinstance(before, fx.Node) and before in calls and len(before.users) == 1):
            continue
        convolution = calls[before]
        is_plain = type(convolution) is nn.Conv2d  # one of a subclass may change its weights when it is called
        if is_plain and times[id(convolution)] == times[id(norm)] == 1 and norm.track_running_stats:
            pairs.append((str(before.target), str(node.target)))
    return pairs


def _without_normalisation(norm: nn.Module) -> nn.Module:
    """Return what a batch norm does beside normalising: that of timm is followed by an activation."""
    return nn.Sequential(norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else nn.Identity()
