"""The table of networks that `python main.py networks` prints."""

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
DEFAULT_SIZE = 96  # pixels; tile side at which parameters are counted where a network has no native size
COLUMNS = ("parameters", "native size", "stages", "timm's weights")


def network_table(patterns: list[str]) -> Iterator[str]:
    """Yield a table, line by line, of the networks that match any pattern; of a selection if there is no pattern.

    Args:
        patterns: with wildcards, as for file names: `*tiny*`, `vit_*`
    Raises:
        UserError: no network matches
    """
    names = [n for n in zoo.names() if any(fnmatchcase(n, p.lower()) for p in patterns)] if patterns else SELECTION
    if not names:
        raise UserError(f"No network matches {' '.join(patterns)}. Use patterns as for file names: '*tiny*', 'vit_*'.")
    width = max(map(len, names))
    yield " ".join(["network".ljust(width), *COLUMNS])
    for name in names:
        cells = (cell.rjust(len(column)) for cell, column in zip(_cells(name), COLUMNS))
        yield " ".join([name.ljust(width), *cells])
    if not patterns:
        yield f"A selection of {len(zoo.names())} networks. All: python main.py networks '*'; some: '*tiny*' 'vit_*'"


def _cells(name: str) -> tuple[str, str, str, str]:
    """Return parameters in millions, native side in pixels, number of stages, and whether timm has weights."""
    source = zoo.timm_name(name)
    weights = timm.get_pretrained_cfg(source) if source else None
    size = str(weights.input_size[-1]) if weights else "-"
    has_weights = "yes" if weights and weights.has_weights else "no"
    try:
        with zoo.on_meta_device():
            backbone = timm.create_model(source, num_classes=0) if source else zoo.create(name, 3, DEFAULT_SIZE)
    except Exception:  # a network that needs more arguments is listed too
        return "?", size, "?", has_weights
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    return f"{parameters / 1e6:.1f} M", size, str(len(stages(backbone)) or "-"), has_weights
