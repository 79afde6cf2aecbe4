"""timm's own weights, which lie on the Hugging Face hub: whether they can be had, and what to do if not."""

from collections.abc import Iterator
from contextlib import contextmanager

import huggingface_hub
import timm
from huggingface_hub.errors import EntryNotFoundError

from config import UserError
from networks import zoo

FILES = ("model.safetensors", "pytorch_model.bin")  # names of a model's weights there
SECONDS = 5.0  # of waiting for the hub; it is asked once, where timm itself would ask twelve times over a minute


def require(name: str) -> None:
    """Raise a UserError if timm's weights of a network are neither here already nor to be had from the hub."""
    source = zoo.timm_name(name)
    weights = timm.get_pretrained_cfg(source) if source else None
    if weights is None or not weights.has_weights:
        raise UserError(f"'pretrained' is true, but timm has no weights of {name}. Use false, or the path of a file.")
    repository = weights.hf_hub_id
    if not repository or any(_is_cached(repository, file) for file in _files(weights)):
        return
    try:
        huggingface_hub.get_hf_file_metadata(
            huggingface_hub.hf_hub_url(repository, _files(weights)[0]), timeout=SECONDS
        )
    except EntryNotFoundError:
        return  # it answers; the weights have another name there, which timm knows
    except Exception as error:  # the errors of the network have no class in common
        raise _unreachable(name, error) from None


@contextmanager
def hub_errors_in_one_line(name: str) -> Iterator[None]:
    """What goes wrong with the hub or its file as one UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # neither have those of timm and of the file
        raise _unreachable(name, error) from None


def hub_page(name: str) -> str:
    """Address of a network's weights on the hub."""
    return f"https://huggingface.co/{timm.get_pretrained_cfg(zoo.timm_name(name)).hf_hub_id}"


def _files(weights) -> tuple[str, ...]:
    return (weights.hf_hub_filename,) if weights.hf_hub_filename else FILES


def _is_cached(repository: str, file: str) -> bool:
    return isinstance(huggingface_hub.try_to_load_from_cache(repository, file), str)


def _unreachable(name: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:120]
    return UserError(
        f"'pretrained' is true, but timm's weights of {name} cannot be had from the hub ({reason}). Download "
        f"{FILES[0]} from {hub_page(name)}/tree/main with a browser, and name its path: pretrained=PATH."
    )
