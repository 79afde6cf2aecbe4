"""What the zoo has, as lines to read."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

import timm

from config import UserError
from networks import zoo
from networks.freezing import stages

SELECTION = (
    "resnext50", "transformer", "test_resnet", "resnet10t", "resnet18", "resnet50", "efficientnet_b0",
    "efficientnetv2_rw_t", "convnext_atto", "convnext_tiny", "mobilenetv3_large_100", "regnety_016",
    "vit_tiny_patch16_224", "vit_small_patch16_224", "deit_small_patch16_224", "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256",
)  # fmt: skip
DEFAULT_SIZE = 96  # pixels; side of the tiles for which networks without a size of their own are counted
COLUMNS = ("parameters", "native size", "stages", "timm's weights")


def network_table(patterns: list[str]) -> Iterator[str]:
    """A table of the networks that any pattern fits, line by line as it is made; of a selection if there is none.

    Args:
        patterns: as file names are matched: `*tiny*`, `vit_*`
    Raises:
        UserError: no network fits
    """
    names = [n for n in zoo.names() if any(fnmatchcase(n, p.lower()) for p in patterns)] if patterns else SELECTION
    if not names:
        raise UserError(f"No network fits {' '.join(patterns)}. Patterns are as of files: '*tiny*', 'vit_*'.")
    width = max(map(len, names))
    yield " ".join(["network".ljust(width), *COLUMNS])
    for name in names:
        cells = (cell.rjust(len(column)) for cell, column in zip(_cells(name), COLUMNS))
        yield " ".join([name.ljust(width), *cells])
    if not patterns:
        yield f"A selection of {len(zoo.names())}. All: python main.py networks '*'; some: '*tiny*' 'vit_*'"


def _cells(name: str) -> tuple[str, str, str, str]:
    """Parameters in millions, native side in pixels, stages, and whether timm has weights."""
    source = zoo.timm_name(name)
    weights = timm.get_pretrained_cfg(source) if source else None
    size = str(weights.input_size[-1]) if weights else "-"
    has_weights = "yes" if weights and weights.has_weights else "no"
    try:
        with zoo.on_meta_device():
            backbone = timm.create_model(source, num_classes=0) if source else zoo.create(name, 3, DEFAULT_SIZE)
    except Exception:  # a network that needs more than a name to be made is listed none the less
        return "?", size, "?", has_weights
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    return f"{parameters / 1e6:.1f} M", size, str(len(stages(backbone)) or "-"), has_weights
