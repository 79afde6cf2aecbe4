"""The networks by name: those of NETWORKS, and every model of timm.

A network of the zoo is a backbone: (N, C, S, S) float32 -> (N, features), pooled over the image, without a classifier.
"""

import difflib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

import timm
import torch
from timm.models import VisionTransformer
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from config import UserError

PATCH_SIZE = 8  # pixels; side of the transformer's patches
PROBE_BANDS, PROBE_TILES = 3, 2
SIZE_STEP = 32  # pixels; most networks halve the image five times
MAX_NAME = 60  # characters of an unknown name that a message repeats
# tried for a timm model: some need an 'img_size', and a few return a feature map unless 'global_pool' is set
CREATE_ARGUMENTS: tuple[dict[str, Any], ...] = (
    {"img_size": True}, {}, {"img_size": True, "global_pool": "avg"}, {"global_pool": "avg"},
)  # fmt: skip

Factory = Callable[[int, int], nn.Module]


def transformer(bands: int, image_size: int) -> nn.Module:
    """Create a ViT (Dosovitskiy et al. 2020, arXiv:2010.11929) of 10 layers of width 384; output: the class token."""
    if image_size % PATCH_SIZE:
        raise _wrong_size("transformer", image_size, _multiples(PATCH_SIZE, image_size))
    return VisionTransformer(
        img_size=image_size, patch_size=PATCH_SIZE, in_chans=bands, num_classes=0, embed_dim=384, depth=10, num_heads=8
    )


# name -> the name in timm, or a factory(bands, image_size); all other names are timm's own
NETWORKS: dict[str, str | Factory] = {"resnext50": "resnext50_32x4d", "transformer": transformer}


def create(name: str, bands: int, image_size: int, weights: bool = False) -> nn.Module:
    """Create a backbone on torch's default device, with random weights or timm's.

    Args:
        name: of NETWORKS or timm
        bands: C of the tiles
        image_size: side of the tiles, pixels
        weights: load timm's weights, with the first layer adapted to the bands; networks.pretrained checks beforehand
    Raises:
        UserError: the name is unknown, or the network cannot take such tiles
    """
    source = timm_name(name)
    if source is None:
        return cast(Factory, NETWORKS[name])(bands, image_size)
    arguments = _create_arguments(name, image_size)
    try:
        return timm.create_model(source, pretrained=weights, in_chans=bands, num_classes=0, **arguments)
    except (TypeError, ValueError, AssertionError, NotImplementedError) as error:
        if weights or bands == PROBE_BANDS:
            raise
        reason = str(error).partition("\n")[0]
        raise UserError(f"The network {name} cannot take tiles of {bands} bands ({reason}). Choose another.") from None


def timm_name(name: str) -> str | None:
    """Return timm's name of a network; None if it is not a timm model.

    Raises:
        UserError: there is no such network
    """
    source = NETWORKS.get(name, name)
    if not isinstance(source, str):
        return None
    if name not in NETWORKS and name not in _known_names():
        short = name if len(name) <= MAX_NAME else name[:MAX_NAME] + "..."
        near = difflib.get_close_matches(name[:MAX_NAME], [*NETWORKS, *timm.list_models()], 3, cutoff=0.5)
        similar = f"Similar: {', '.join(near)}. " if near else ""
        raise UserError(f"There is no 'network' {short!r}. {similar}`python main.py networks` lists them.")
    return source


def timm_model(name: str) -> str:
    """Return timm's name of a network that is one of its models; see `timm_name`."""
    source = timm_name(name)
    assert source is not None  # the caller has checked that
    return source


def names() -> list[str]:
    """Return the names of all networks, those of NETWORKS first."""
    return [*NETWORKS, *timm.list_models()]


def feature_width(backbone: nn.Module) -> int:
    """Return the length of a backbone's output; a few models of timm widen it after their last features."""
    width: Any = getattr(backbone, "head_hidden_size", None) or backbone.num_features
    return width


@contextmanager
def on_meta_device() -> Iterator[None]:
    """Create the modules of the block on torch's meta device: with shapes, but without memory or values."""
    with torch.device("meta"), _NoInitialisation():
        yield


class _NoInitialisation(TorchFunctionMode):
    """Skips functions that only set initial values: on the meta device they have no effect but take most time."""

    NAMES = frozenset(("uniform_", "normal_", "erfinv_", "mul_", "add_", "clamp_", "fill_", "zero_"))

    def __torch_function__(
        self, function: Callable[..., Any], types: Iterable[type], arguments: tuple[Any, ...] = (),
        keywords: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        skipped = getattr(function, "__name__", "") in self.NAMES and arguments and isinstance(arguments[0], Tensor)
        if skipped and arguments[0].is_meta:
            return arguments[0]
        return function(*arguments, **(keywords or {}))


@lru_cache(maxsize=64)
def _known_names() -> frozenset[str]:
    return frozenset([*timm.list_models(), *timm.list_pretrained()])


@lru_cache(maxsize=64)
def _create_arguments(name: str, image_size: int) -> dict:
    """Return the arguments with which timm's model turns tiles of this size into vectors; tried on the meta device."""
    arguments = _working_arguments(name, image_size, "meta")
    if arguments is not None:
        return arguments
    near = _sizes_near(name, image_size)
    if not near:  # a few networks need values, which meta tensors do not have
        arguments = _working_arguments(name, image_size, "cpu")
    if arguments is None:
        raise _wrong_size(name, image_size, near or "another size; which one is unknown")
    return arguments


def _working_arguments(name: str, image_size: int, device: str) -> dict | None:
    for way in CREATE_ARGUMENTS:
        arguments = way | ({"img_size": image_size} if "img_size" in way else {})
        if _works(name, image_size, arguments, device):
            return arguments
    return None


def _works(name: str, image_size: int, arguments: dict, device: str) -> bool:
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device), torch.no_grad():
            backbone = timm.create_model(timm_model(name), in_chans=PROBE_BANDS, num_classes=0, **arguments).eval()
            patch = _patch_size(backbone)
            if image_size % patch:
                raise _wrong_size(name, image_size, _multiples(patch, image_size))
            vectors = backbone(torch.zeros(PROBE_TILES, PROBE_BANDS, image_size, image_size))
    except UserError:
        raise
    except Exception as error:  # timm's thousand models raise many kinds of errors
        logging.getLogger(__name__).debug("%s %s %s: %s", name, image_size, arguments, error)
        return False
    return isinstance(vectors, Tensor) and vectors.shape == (PROBE_TILES, feature_width(backbone))


def _patch_size(backbone: nn.Module) -> int:
    """Return the side of the patches that an image is cut into, pixels; the network ignores the rest at its edge."""
    embedding = getattr(backbone, "patch_embed", None)
    convolution = getattr(embedding, "proj", None)
    if isinstance(convolution, nn.Conv2d) and convolution.kernel_size != convolution.stride:
        return 1  # patches overlap and are padded
    patch = getattr(embedding, "patch_size", 1)
    return max(patch) if isinstance(patch, (tuple, list)) else int(patch)


def _sizes_near(name: str, image_size: int) -> str:
    """Return the sizes that the network takes, of those near this one and of its native size."""
    config = timm.get_pretrained_cfg(timm_model(name))
    native = config.input_size[-1] if config else 224
    below = image_size // SIZE_STEP * SIZE_STEP
    sizes = sorted({size for size in (below, below + SIZE_STEP, below + 2 * SIZE_STEP, native) if size > 0})
    return ", ".join(str(size) for size in sizes if _working_arguments(name, size, "meta") is not None)


def _multiples(patch: int, image_size: int) -> str:
    return f"a multiple of {patch}, such as {-(-image_size // patch) * patch}"


def _wrong_size(name: str, image_size: int, sizes: str) -> UserError:
    return UserError(f"The network {name} cannot take tiles of {image_size} pixels. Its 'image_size' may be {sizes}.")
