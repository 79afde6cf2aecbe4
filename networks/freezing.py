"""Which part of a network is trained: the stages of a backbone, and what stays as it is."""

from timm.models import group_parameters
from torch import nn

from config import UserError

TO_STAGE_BEFORE = (99999,)  # timm's sign for parameters that belong to the group before: the norm after the last block
USUAL_NAMES = {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}  # of parameters, for models that do not tell theirs


def stages(backbone: nn.Module) -> list[list[str]]:
    """Names of the parameters of each stage, in the order of the computation; what comes before them is left out.

    A stage is one of timm's groups: the part of a convolutional network between two reductions of the resolution (a
    ResNet and a ConvNeXt have 4, EfficientNet-B0 has 7), or one block of a transformer (DeiT-S has 12). What follows
    the last one belongs to it. A few models tell timm none.
    """
    try:
        matcher = backbone.group_matcher(coarse=True)
    except (AttributeError, AssertionError, NotImplementedError):
        matcher = USUAL_NAMES
    if isinstance(matcher, dict):
        matcher = {**matcher, "rest": [(r".*", TO_STAGE_BEFORE)]}
    return list(group_parameters(backbone, matcher).values())[1:]


def check(name: str, backbone: nn.Module, freeze: bool | int) -> None:
    """Raise a UserError if more stages are to be trained than a network has."""
    if isinstance(freeze, bool):
        return
    number = len(stages(backbone))
    if freeze > number:
        raise UserError(
            f"'freeze' is {freeze}, but {name} has {number} stages{'' if number else ' that timm knows of'}. "
            f"Use {'a smaller number, ' if number else ''}true (train the head only) or false (train all)."
        )


def freeze_parts(backbone: nn.Module, freeze: bool | int) -> list[nn.Module]:
    """Keep parameters from being trained; gives the modules of which none is, for they stay in evaluation mode.

    Args:
        backbone: changed in place
        freeze: False: nothing; True: all; a number: all but the last so many stages
    """
    if freeze is False:
        return []
    trained = set() if freeze is True else {name for stage in stages(backbone)[-freeze:] for name in stage}
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_(name in trained)
    return [module for module in backbone.modules() if _is_frozen(module)]


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
