"""Weights that were trained elsewhere: timm's, or a file's, in the forms in which such files are found.

Files hold tensors under other names than the network has: within a dict of a training program (NESTS), behind the name
of the module that held the network there (PREFIXES), or by the names of another implementation (LAYOUTS). All
combinations are tried, and the one that fills most of the network is taken. Nothing in a file is ever run.
"""

import logging
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from timm.layers import resample_abs_pos_embed
from timm.models._manipulate import adapt_input_conv
from torch import Tensor, nn

from config import UserError
from networks import hub, zoo
from networks.weight_files import read_weights

log = logging.getLogger(__name__)
Tensors = dict[str, Tensor]

# keys under which training programs keep a network's tensors; of two that fill as much the first is taken
NESTS = (
    (),  # torchgeo, timm, torchvision: the tensors themselves
    ("state_dict",),  # MoCo v2 and v3, SSL4EO-S12's MoCo, Lightning: SeCo, torchgeo's trainers
    ("model",),  # MAE, DeiT, SSL4EO-S12's MAE
    ("teacher",), ("student",),  # DINO, SSL4EO-S12's DINO; the teacher is what they evaluate
    ("state_dict_ema",), ("model_ema",), ("network",),  # timm, data2vec, this program
    ("model", "state_dict"),
)  # fmt: skip
# what stands before the network's own names there; those of several parts are the modules one in another
PREFIXES = (
    "", "module.", "_orig_mod.", "model.", "network.", "encoder.", "backbone.", "trunk.", "visual.",
    "module.backbone.", "module.encoder.", "model.backbone.", "model.encoder.", "encoder.backbone.",
    "base_encoder.", "module.base_encoder.",  # MoCo v3, SSL4EO-S12
    "encoder_q.", "module.encoder_q.", "model.encoder_q.", "backbone.encoder_q.",  # MoCo v2, SeCo
    "teacher.", "teacher.backbone.", "module.teacher.backbone.", "student.", "student.backbone.",  # DINO
    "online_network.encoder.", "backbone_momentum.", "momentum_encoder.", "module.momentum_encoder.",
)  # fmt: skip
# a ResNet cut into an nn.Sequential of its children, as SeCo does: place -> name
RESNET_PLACES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
SHOWN = 4  # names of a list that the report shows
FEW = 0.5  # share of the network that is filled, under which it is said loudly


@dataclass(frozen=True)
class Match:
    """What a file has for a network.

    Attributes:
        filled: name in the network -> value
        adapted: names whose value was changed to fit: the first convolution, position embeddings
        unused: names in the file that have no place in the network, or another shape there
        initial: names in the network that the file has nothing for
    """

    filled: Tensors
    adapted: list[str]
    unused: list[str]
    initial: list[str]

    def describe(self) -> str:
        """One line on what was filled, what was not, and what was left over."""
        parts = [f"{len(self.filled)} of {len(self.filled) + len(self.initial)} tensors of the network filled"]
        lists = {"adapted": self.adapted, "in the file without a place": self.unused, "initial": self.initial}
        return "; ".join(parts + [f"{what}: {_short(names)}" for what, names in lists.items() if names])


def check(name: str, backbone: nn.Module, weights: bool | str) -> None:
    """Raise a UserError if the weights cannot be had. backbone: the network, also without memory or values."""
    if weights is True:
        hub.require(name)
    elif weights:
        match(weights, read_weights(weights), backbone)


def create(name: str, bands: int, image_size: int, weights: bool | str) -> nn.Module:
    """A backbone with weights: False: drawn at random; True: timm's; else a file's, as far as that has them.

    Raises:
        UserError: there are none, they cannot be reached, or the file cannot be read or has nothing for this network
    """
    if weights is True:
        hub.require(name)
        with hub.hub_errors_in_one_line(name):
            return zoo.create(name, bands, image_size, weights=True)
    backbone = zoo.create(name, bands, image_size)
    if weights:
        found = match(weights, read_weights(weights), backbone)
        backbone.load_state_dict(found.filled, strict=False)
        few = len(found.filled) < FEW * (len(found.filled) + len(found.initial))
        log.log(logging.WARNING if few else logging.INFO, "%s: %s", weights, found.describe())
    return backbone


def match(path: str, content: dict, backbone: nn.Module) -> Match:
    """The reading of a file that fills most of a network.

    Args:
        path: of the file, for messages
        content: as `networks.weight_files.read` gives it
        backbone: changed in nothing
    Raises:
        UserError: nothing fits, or a value is not finite
    """
    best = max((_fit(tensors, backbone) for tensors in _readings(content, backbone)), key=_size, default=None)
    if best is None or not best.filled:
        there = _short([name for tensors in _nested(content) for name in tensors])
        raise UserError(
            f"{path}: nothing in it fits the network, which has {_short(list(backbone.state_dict()))}. "
            f"In the file: {there or 'no tensors'}."
        )
    wrong = [name for name, value in best.filled.items() if not value.isfinite().all()]
    if wrong:
        raise UserError(f"{path}: not all its values are finite numbers: {_short(wrong)}.")
    return best


def _size(found: Match) -> int:
    return len(found.filled)


def _readings(content: dict, backbone: nn.Module) -> Iterator[Tensors]:
    for tensors in _nested(content):
        for prefix in PREFIXES:
            stripped = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            if stripped:
                yield from (layout(stripped, backbone) for layout in LAYOUTS)


def _nested(content: dict) -> Iterator[Tensors]:
    for nest in NESTS:
        within = content
        for key in nest:
            within = within.get(key) if isinstance(within, dict) else None
        tensors = {k: v for k, v in within.items() if isinstance(v, Tensor)} if isinstance(within, dict) else {}
        if tensors:
            yield tensors


def _as_it_is(tensors: Tensors, backbone: nn.Module) -> Tensors:
    return tensors


def _numbered(tensors: Tensors, backbone: nn.Module) -> Tensors:
    """Names of a ResNet that was cut into a Sequential."""
    parts = [(*name.partition("."), value) for name, value in tensors.items()]
    return {RESNET_PLACES.get(first, first) + dot + rest: value for first, dot, rest, value in parts}


def _filtered_by_timm(tensors: Tensors, backbone: nn.Module) -> Tensors:
    """Names of a model's original implementation, which timm translates model by model."""
    translate = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)
    try:
        found = translate(dict(tensors), backbone) if translate else {}
    except Exception as error:  # it was written for other files than this one
        log.debug("timm's translation failed: %s", error)
        return {}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


LAYOUTS: tuple[Callable[[Tensors, nn.Module], Tensors], ...] = (_as_it_is, _numbered, _filtered_by_timm)


def _fit(tensors: Tensors, backbone: nn.Module) -> Match:
    state, filled, adapted = backbone.state_dict(), {}, []
    first = _first_convolution(backbone)
    for name in state.keys() & tensors.keys():
        value = _adapted(name, tensors[name], state[name].shape, backbone, first)
        if value is not None:
            filled[name] = value
            adapted += [name] if value is not tensors[name] else []
    counted = {name: value for name, value in filled.items() if not _is_counter(name)}
    left = [name for name in tensors if name not in filled and not _is_counter(name)]
    initial = [name for name in state if name not in filled and not _is_counter(name)]
    return Match(filled if counted else {}, sorted(adapted), left, initial)


def _is_counter(name: str) -> bool:
    """Whether it only counts batches, which batch norm does and older files do not have."""
    return name.endswith("num_batches_tracked")


def _first_convolution(backbone: nn.Module) -> str:
    found = (name for name, module in backbone.named_modules() if isinstance(module, nn.Conv2d))
    return next(found, "") + ".weight"


def _adapted(name: str, value: Tensor, shape: torch.Size, backbone: nn.Module, first: str) -> Tensor | None:
    """The value in the network's shape; None: it cannot be brought into it."""
    if value.shape == shape:
        return value
    if name == first and value.ndim == 4 and (value.shape[0], *value.shape[2:]) == (shape[0], *shape[2:]):
        return adapt_bands(value, shape[1])
    if name.endswith("pos_embed") and value.ndim == len(shape) == 3 and value.shape[2] == shape[2]:
        return _resampled(value, shape, backbone)
    return None


def adapt_bands(weight: Tensor, bands: int) -> Tensor:
    """Weights of a first convolution (O, I, H, W) for another number of bands: (O, bands, H, W).

    Those for three bands are repeated or cut off, as timm does; of any other number, whose order need not be that of
    the map's bands, each band gets the mean. The sum over the bands stays about the same.
    """
    before = weight.shape[1]
    if before == 3:
        return adapt_input_conv(bands, weight)
    return weight.mean(1, keepdim=True).repeat(1, bands, 1, 1) * (before / bands)


def _resampled(value: Tensor, shape: torch.Size, backbone: nn.Module) -> Tensor | None:
    """Position embeddings (1, tokens, width) of a square grid for the network's own; None: the grid is not square."""
    prefix = 0 if getattr(backbone, "no_embed_class", False) else getattr(backbone, "num_prefix_tokens", 1)
    grid = getattr(getattr(backbone, "patch_embed", None), "grid_size", None)
    before = value.shape[1] - prefix
    if grid is None or before < 1 or math.isqrt(before) ** 2 != before or math.prod(grid) + prefix != shape[1]:
        return None
    return resample_abs_pos_embed(value, new_size=list(grid), num_prefix_tokens=prefix)


def _short(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
