"""Pretrained weights: timm's, or those of a file, in the forms in which such files are published.

The names of the tensors in a file may differ from those in the network. All that they may stand for are tried (see
`networks.weight_names`), and what loads most of the network is used. No code in a file is ever run.
"""

import logging
import math
import re
from dataclasses import dataclass

import torch
from timm.layers import resample_abs_pos_embed  # type: ignore[attr-defined]  # public, but not marked as exported
from timm.models._manipulate import adapt_input_conv
from torch import Tensor, nn

from config import UserError
from networks import hub, zoo
from networks.weight_files import read_weights
from networks.weight_names import Tensors, nested, renamings

log = logging.getLogger(__name__)
MAX_LISTED_NAMES = 4  # names of each list in a log line
MIN_LOADED_SHARE = 0.5  # of the tensors of the network, and of those of the file; less is a warning
BLOCK_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")  # 22 in layer3.22.conv1.weight


@dataclass(frozen=True)
class MatchedWeights:
    """The tensors of a file that fit a network.

    Attributes:
        loaded: name in the network -> value
        adapted: names whose value was changed to fit: the first convolution, position embeddings
        unexpected: names in the file that the network does not have, or has with another shape
        missing: names in the network that the file does not have
    """

    loaded: Tensors
    adapted: list[str]
    unexpected: list[str]
    missing: list[str]

    def describe(self) -> str:
        """Describe in one line which tensors are loaded, adapted, left over and missing."""
        loaded = len(self.loaded)
        parts = [f"{loaded} of {loaded + len(self.missing)} tensors of the network loaded"]
        left_over = f"{len(self.unexpected)} of {loaded + len(self.unexpected)} tensors of the file left over"
        lists = {"adapted": self.adapted, left_over: self.unexpected, "not in the file": self.missing}
        parts += [f"{title}: {_short(names)}" for title, names in lists.items() if names]
        doubt = self.doubt()
        return "; ".join(parts + ([f"{doubt}: is it a file of this 'network'?"] if doubt else []))

    def doubt(self) -> str:
        """Return what speaks against a file of the same network; "" if nothing does.

        It is another number of blocks of the same kind, as in a ResNet-101 and a ResNet-50, or little in common.
        """
        blocks = {_kind_of_block(name) for name in self.loaded}
        other_shape = set(self.unexpected) & set(self.missing)
        for this, other, names in (("file", "network", self.unexpected), ("network", "file", self.missing)):
            if blocks & {_kind_of_block(name) for name in names if name not in other_shape}:
                return f"the {this} has more blocks than the {other}"
            if len(self.loaded) < MIN_LOADED_SHARE * (len(self.loaded) + len(names)):
                return f"less than {MIN_LOADED_SHARE:.0%} of the {this} is in the {other}"
        return ""


def check(name: str, backbone: nn.Module, weights: bool | str) -> None:
    """Raise a UserError if the weights are not available. backbone: the network, on the meta device too."""
    if weights is True:
        hub.check_weights(name)
    elif weights:
        match(weights, read_weights(weights), backbone)


def create(name: str, bands: int, image_size: int, weights: bool | str) -> nn.Module:
    """Create a backbone with weights: False: random; True: timm's; else the tensors of a file that fit the network.

    Raises:
        UserError: timm has no weights, the hub cannot be reached, the file cannot be read, or none of its tensors fits
    """
    if weights is True:
        hub.check_weights(name)
        with hub.convert_hub_errors(name):
            return zoo.create(name, bands, image_size, weights=True)
    backbone = zoo.create(name, bands, image_size)
    if weights:
        matched = match(weights, read_weights(weights), backbone)
        backbone.load_state_dict(matched.loaded, strict=False)
        log.log(logging.WARNING if matched.doubt() else logging.INFO, "%s: %s", weights, matched.describe())
    return backbone


def match(path: str, content: dict, backbone: nn.Module) -> MatchedWeights:
    """Return the match of a file's tensors that loads most of a network.

    Args:
        path: of the file, for messages
        content: the result of `networks.weight_files.read_weights`
        backbone: not changed
    Raises:
        UserError: no tensor fits, or a value is not finite
    """
    best = max((_fit(tensors, backbone) for tensors in renamings(content, backbone)), key=_size, default=None)
    if best is None or not best.loaded:
        names = _short([name for tensors in nested(content) for name in tensors])
        raise UserError(
            f"{path}: none of its tensors fits the network, which has {_short(list(backbone.state_dict()))}. "
            f"The file has {names or 'no tensors'}. Choose another file, or the 'network' that it was saved from."
        )
    wrong = [name for name, value in best.loaded.items() if not value.isfinite().all()]
    if wrong:
        raise UserError(f"{path}: not all values are finite: {_short(wrong)}. Choose another file.")
    return best


def _size(matched: MatchedWeights) -> int:
    return len(matched.loaded)


def _fit(tensors: Tensors, backbone: nn.Module) -> MatchedWeights:
    state, loaded, adapted = backbone.state_dict(), {}, []
    first = _first_convolution(backbone)
    for name in state.keys() & tensors.keys():
        value = _adapted(name, tensors[name], state[name].shape, backbone, first)
        if value is not None:
            loaded[name] = value
            adapted += [name] if value is not tensors[name] else []
    counted = {name: value for name, value in loaded.items() if not _is_counter(name)}
    unexpected = [name for name in tensors if name not in loaded and not _is_counter(name)]
    missing = [name for name in state if name not in loaded and not _is_counter(name)]
    return MatchedWeights(loaded if counted else {}, sorted(adapted), unexpected, missing)


def _is_counter(name: str) -> bool:
    """Return whether a tensor only counts batches: batch norm has such counters, older files do not."""
    return name.endswith("num_batches_tracked")


def _kind_of_block(name: str) -> str:
    """Return a name without the numbers of its blocks, which tensors at equal places in other blocks share."""
    return BLOCK_NUMBER.sub("#", name)


def _first_convolution(backbone: nn.Module) -> str:
    convolutions = (name for name, module in backbone.named_modules() if isinstance(module, nn.Conv2d))
    return next(convolutions, "") + ".weight"


def _adapted(name: str, value: Tensor, shape: torch.Size, backbone: nn.Module, first: str) -> Tensor | None:
    """Return the value in the network's shape; None if it cannot be adapted."""
    if value.shape == shape:
        return value
    if name == first and value.ndim == 4 and (value.shape[0], *value.shape[2:]) == (shape[0], *shape[2:]):
        return adapt_bands(value, shape[1])
    if name.endswith("pos_embed") and value.ndim == len(shape) == 3 and value.shape[2] == shape[2]:
        return _resampled(value, shape, backbone)
    return None


def adapt_bands(weight: Tensor, bands: int) -> Tensor:
    """Adapt weights of a first convolution (O, I, H, W) to another number of bands: (O, bands, H, W).

    Weights for three bands are repeated or cut off, as in timm. For any other number, whose order may differ from that
    of the map's bands, each band gets the mean. The sum over the bands stays about the same.
    """
    before = weight.shape[1]
    if before == 3:
        return adapt_input_conv(bands, weight)
    return weight.mean(1, keepdim=True).repeat(1, bands, 1, 1) * (before / bands)


def _resampled(value: Tensor, shape: torch.Size, backbone: nn.Module) -> Tensor | None:
    """Resample position embeddings (1, tokens, width) to the network's grid; None if their grid is not square."""
    prefix = 0 if getattr(backbone, "no_embed_class", False) else getattr(backbone, "num_prefix_tokens", 1)
    grid = getattr(getattr(backbone, "patch_embed", None), "grid_size", None)
    before = value.shape[1] - prefix
    if grid is None or before < 1 or math.isqrt(before) ** 2 != before or math.prod(grid) + prefix != shape[1]:
        return None
    return resample_abs_pos_embed(value, new_size=list(grid), num_prefix_tokens=prefix)


def _short(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED_NAMES} more" if len(names) > MAX_LISTED_NAMES else ""
    return ", ".join(names[:MAX_LISTED_NAMES]) + more
