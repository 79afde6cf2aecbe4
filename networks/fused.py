"""Batch normalisation folded into the convolutions before it, for a network that is applied and not trained further.

With fixed statistics, a batch norm after a convolution is a convolution with other weights: one pass over memory less.
The values differ by rounding.
"""

import logging
from collections import Counter

import torch
from timm.layers import BatchNormAct2d
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


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
    pairs = _pairs(network)
    for convolution, norm in pairs:
        network.set_submodule(convolution, fuse_conv_bn_eval(*map(network.get_submodule, (convolution, norm))))
        network.set_submodule(norm, _without_normalisation(network.get_submodule(norm)))
    return len(pairs)


def _pairs(network: nn.Module) -> list[tuple[str, str]]:
    """Return the names of convolutions and of the batch norms after them."""
    try:
        graph = _Tracer().trace(network)
    except Exception as error:  # timm's thousand models raise many kinds of errors
        logging.getLogger(__name__).debug("batch norms are not folded: %s", error)
        return []
    modules = dict(network.named_modules())
    calls = [node for node in graph.nodes if node.op == "call_module"]
    times = Counter(node.target for node in calls)
    pairs = []
    for node in calls:
        before = node.args[0] if node.args else None
        if (
            isinstance(before, fx.Node) and before.op == "call_module" and len(before.users) == 1
            and times[before.target] == times[node.target] == 1
            and type(modules[before.target]) is nn.Conv2d  # one of a subclass may change its weights as it is called
            and type(modules[node.target]) in (nn.BatchNorm2d, BatchNormAct2d)
            and modules[node.target].track_running_stats
        ):  # fmt: skip
            pairs.append((before.target, node.target))
    return pairs


def _without_normalisation(norm: nn.Module) -> nn.Module:
    """Return what a batch norm does beside normalising: that of timm is followed by an activation."""
    return nn.Sequential(norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else nn.Identity()
