"""timm's weights on the Hugging Face hub: whether they are available, and what the user can do if not."""

from collections.abc import Iterator
from contextlib import contextmanager

import huggingface_hub
import timm
from huggingface_hub.errors import EntryNotFoundError
from timm.models import PretrainedCfg

from config import UserError
from networks import zoo

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # names of the weights in a model's repository
TIMEOUT = 5.0  # seconds to wait for the hub; there is one request, timm itself would retry twelve times in a minute


def check_weights(name: str) -> None:
    """Raise a UserError if timm's weights of a network are neither cached here nor available from the hub."""
    source = zoo.timm_name(name)
    weights = timm.get_pretrained_cfg(source) if source else None
    if weights is None or not weights.has_weights:
        raise UserError(f"'pretrained' is true, but timm has no weights for {name}. Use false, or the path of a file.")
    repository = weights.hf_hub_id
    if not repository or any(_is_cached(repository, file) for file in _files(weights)):
        return
    try:
        huggingface_hub.get_hf_file_metadata(
            huggingface_hub.hf_hub_url(repository, _files(weights)[0]), timeout=TIMEOUT
        )
    except EntryNotFoundError:
        return  # the hub answers; timm knows the other name of the weights
    except Exception as error:  # network errors have no common base class
        raise _unreachable(name, error) from None


@contextmanager
def convert_hub_errors(name: str) -> Iterator[None]:
    """Turn any error of the block, from the hub or its file, into one UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # errors of timm and of the file have none either
        raise _unreachable(name, error) from None


def hub_page(name: str) -> str:
    """Return the address of a network's weights on the hub."""
    weights = timm.get_pretrained_cfg(zoo.timm_model(name))
    assert weights is not None  # only called for a model that has weights on the hub
    return f"https://huggingface.co/{weights.hf_hub_id}"


def _files(weights: PretrainedCfg) -> tuple[str, ...]:
    return (weights.hf_hub_filename,) if weights.hf_hub_filename else WEIGHT_FILES


def _is_cached(repository: str, file: str) -> bool:
    return isinstance(huggingface_hub.try_to_load_from_cache(repository, file), str)


def _unreachable(name: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:120]
    return UserError(
        f"'pretrained' is true, but timm's weights for {name} cannot be downloaded from the hub ({reason}). Download "
        f"{WEIGHT_FILES[0]} from {hub_page(name)}/tree/main with a browser and give its path: pretrained=PATH."
    )
