"""Which parts of a backbone are trained: its stages, and freezing of parameters."""

from typing import Any

from timm.models import group_parameters
from torch import nn

from config import UserError

PREVIOUS_STAGE = (99999,)  # timm's mark for parameters of the previous group: the norm after the last block
DEFAULT_STAGES = {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}  # for models without a group_matcher


def stages(backbone: nn.Module) -> list[list[str]]:
    """Return the parameter names of each stage, in the order of the computation, without those before the first stage.

    A stage is one of timm's groups: the part of a convolutional network between two reductions of the resolution (a
    ResNet and a ConvNeXt have 4, EfficientNet-B0 has 7), or one block of a transformer (DeiT-S has 12). Layers after
    the last stage belong to it. For a few models timm defines no stages.
    """
    try:
        group_matcher: Any = backbone.group_matcher  # a method of timm's models
        matcher = group_matcher(coarse=True)
    except (AttributeError, AssertionError, NotImplementedError):
        matcher = DEFAULT_STAGES
    if isinstance(matcher, dict):
        matcher = {**matcher, "rest": [(r".*", PREVIOUS_STAGE)]}
    return list(group_parameters(backbone, matcher).values())[1:]


def check(name: str, backbone: nn.Module, freeze: bool | int) -> None:
    """Raise a UserError if `freeze` asks for more trained stages than the network has."""
    if isinstance(freeze, bool):
        return
    number = len(stages(backbone))
    if freeze > number:
        raise UserError(
            f"'freeze' is {freeze}, but {name} has {number} stages{'' if number else ' defined in timm'}. "
            f"Use {'a smaller number, ' if number else ''}true (train the head only) or false (train all)."
        )


def freeze_parts(backbone: nn.Module, freeze: bool | int) -> list[nn.Module]:
    """Freeze parameters; return the modules that are completely frozen, which have to stay in evaluation mode.

    Args:
        backbone: changed in place
        freeze: False: nothing; True: everything; n: all but the last n stages
    """
    if freeze is False:
        return []
    trained = set() if freeze is True else {name for stage in stages(backbone)[-freeze:] for name in stage}
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_(name in trained)
    return frozen_parts(backbone)


def frozen_parts(backbone: nn.Module) -> list[nn.Module]:
    """Return the modules that have parameters, and none that is trained."""
    return [module for module in backbone.modules() if _is_frozen(module)]


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
