"""What the names of the tensors in published files of weights may stand for in a network.

The tensors are nested in a dict of a training program (NESTED_KEYS), have the names of outer modules as prefix
(OUTER_MODULES), or follow another implementation (LAYOUTS).
"""

import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

log = logging.getLogger(__name__)
Tensors = dict[str, Tensor]
# keys under which training programs store a network's tensors; of two that load as much the first is used
NESTED_KEYS = (
    (),  # torchgeo, timm, torchvision: the tensors themselves
    ("state_dict",),  # MoCo v2 and v3, SSL4EO-S12's MoCo, Lightning: SeCo, torchgeo's trainers
    ("model",),  # MAE, DeiT, SSL4EO-S12's MAE
    ("teacher",), ("student",),  # DINO, SSL4EO-S12's DINO; they evaluate the teacher
    ("state_dict_ema",), ("model_ema",), ("network",),  # timm, data2vec, this program
    ("model", "state_dict"),
)  # fmt: skip
# modules that may stand around a network, in any order: each prefixes the names of its tensors; of two prefixes that
# load as much the one that comes first here is used
OUTER_MODULES = (
    "module", "_orig_mod",  # of torch's DataParallel and compile
    "model", "network", "encoder", "backbone", "trunk", "visual",
    "base_encoder", "encoder_q",  # MoCo v3, SSL4EO-S12; MoCo v2, SeCo
    "teacher", "student", "online_network", "backbone_momentum", "momentum_encoder",  # DINO, BYOL, MoCo
)  # fmt: skip
# a ResNet as an nn.Sequential of its children, as in SeCo: index -> name
RESNET_PLACES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}


def renamings(content: dict, backbone: nn.Module) -> Iterator[Tensors]:
    """Yield the tensors of a file by all names that they may have in a network: each nest, prefix and layout."""
    for tensors in nested(content):
        for prefix in _prefixes(tensors):
            stripped = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            yield from (layout(stripped, backbone) for layout in LAYOUTS)


def _prefixes(tensors: Tensors) -> list[str]:
    """Return the prefixes made of OUTER_MODULES that occur in the names, beginning with none."""
    found: set[tuple[str, ...]] = {()}
    for name in tensors:
        outer = tuple(itertools.takewhile(OUTER_MODULES.__contains__, name.split(".")))
        found |= {outer[:length] for length in range(len(outer) + 1)}
    ordered = sorted(found, key=lambda outer: [OUTER_MODULES.index(module) for module in outer])
    return ["".join(f"{module}." for module in outer) for outer in ordered]


def nested(content: dict) -> Iterator[Tensors]:
    """Yield the tensors of each dict of a file that may hold a network."""
    for nest in NESTED_KEYS:
        within: Any = content
        for key in nest:
            within = within.get(key) if isinstance(within, dict) else None
        tensors = {k: v for k, v in within.items() if isinstance(v, Tensor)} if isinstance(within, dict) else {}
        if tensors:
            yield tensors


def _unchanged(tensors: Tensors, backbone: nn.Module) -> Tensors:
    return tensors


def _from_sequential(tensors: Tensors, backbone: nn.Module) -> Tensors:
    """Rename the tensors of a ResNet that was saved as a Sequential."""
    parts = [(*name.partition("."), value) for name, value in tensors.items()]
    return {RESNET_PLACES.get(first, first) + dot + rest: value for first, dot, rest, value in parts}


def _translated_by_timm(tensors: Tensors, backbone: nn.Module) -> Tensors:
    """Rename the tensors of a model's original implementation; timm has a translation for each model."""
    translate = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)
    try:
        translated = translate(dict(tensors), backbone) if translate else {}
    except Exception as error:  # timm's translation is for other files than this one
        log.debug("timm's translation failed: %s", error)
        return {}
    return {name: value for name, value in translated.items() if isinstance(value, Tensor)}


LAYOUTS: tuple[Callable[[Tensors, nn.Module], Tensors], ...] = (_unchanged, _from_sequential, _translated_by_timm)
