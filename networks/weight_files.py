"""Files of tensors, read so that nothing in them can ever run."""

import argparse
import pickle
import zipfile
from pathlib import Path

import safetensors.torch
import torch

from config import UserError


def read_weights(path: str) -> dict:
    """What a file of weights holds: tensors by name, or dicts of them.

    Args:
        path: of a safetensors file, or of what torch.save has written
    Raises:
        UserError: it is not there, damaged, of another kind, or holds objects that would have to be run
    """
    file = Path(path)
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise UserError(f"'pretrained' must be true, false, or the path of a {', '.join(READERS)} file. Got {path!r}.")
    try:
        if not file.is_file():
            raise UserError(f"{path}: there is no such file. 'pretrained' names a file of weights.")
        content = reader(file)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: {_why_refused(file, error)}") from None
    except Exception as error:  # torch's and safetensors' errors have no class in common
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: damaged, or no file of weights ({type(error).__name__}: {reason}).") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no weights by name, but a {type(content).__name__}.")
    return content


def _read_safetensors(file: Path) -> dict:
    return safetensors.torch.load_file(file)


def _read_torch(file: Path) -> dict:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:  # torch itself does not look at the checksums it writes
            if archive.testzip() is not None:
                raise ValueError("its checksums do not fit")
    with torch.serialization.safe_globals([argparse.Namespace]):  # plain values; DINO and MAE keep their options so
        return torch.load(file, map_location="cpu", weights_only=True)


def _why_refused(file: Path, error: pickle.UnpicklingError) -> str:
    try:
        objects = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except Exception:  # it is asked only where it can tell: the file may be damaged
        objects = []
    if not objects:
        return f"damaged, or no file of weights ({str(error).partition(chr(10))[0]})."
    return (
        f"holds objects that would have to be run to be read ({', '.join(objects[:3])}), so it is refused. "
        "Save its tensors alone, with safetensors or as a state dict."
    )


READERS = {
    ".safetensors": _read_safetensors,
    **dict.fromkeys((".pth", ".pt", ".bin", ".ckpt", ".tar"), _read_torch),
}
