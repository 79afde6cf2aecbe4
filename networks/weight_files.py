"""Reads files of tensors so that no code in them can ever run."""

import argparse
import pickle
import zipfile
from pathlib import Path

import safetensors.torch
import torch

from config import UserError


def read_weights(path: str) -> dict:
    """Read a file of weights: tensors by name, or dicts of them.

    Args:
        path: of a safetensors file, or of a file written by torch.save
    Raises:
        UserError: the file does not exist, is damaged, is of another kind, or holds objects that could run code
    """
    file = Path(path)
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise UserError(f"'pretrained' must be true, false, or the path of a {', '.join(READERS)} file. Got {path!r}.")
    try:
        if not file.is_file():
            raise UserError(f"{path}: there is no such file. 'pretrained' must be the path of a file of weights.")
        content = reader(file)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: {_refusal(file, error)}") from None
    except Exception as error:  # errors of torch and safetensors have no common base class
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path}: damaged, or not a file of weights ({type(error).__name__}: {reason}). Download it again."
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold a dict of tensors by name. Got {type(content).__name__}.")
    return content


def _read_safetensors(file: Path) -> dict:
    return safetensors.torch.load_file(file)


def _read_torch(file: Path) -> dict:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:  # torch does not verify the checksums that it writes
            if archive.testzip() is not None:
                raise ValueError("its checksums are wrong")
    with torch.serialization.safe_globals([argparse.Namespace]):  # plain values; DINO and MAE store their options in it
        return torch.load(file, map_location="cpu", weights_only=True)


def _refusal(file: Path, error: pickle.UnpicklingError) -> str:
    try:
        objects = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except Exception:  # the file may be damaged
        objects = []
    if not objects:
        return f"damaged, or not a file of weights ({str(error).partition(chr(10))[0]}). Download it again."
    return (
        f"refused, because reading it would run code of the objects in it ({', '.join(objects[:3])}). "
        "Save only its tensors, with safetensors or as a state dict."
    )


READERS = {
    ".safetensors": _read_safetensors,
    **dict.fromkeys((".pth", ".pt", ".bin", ".ckpt", ".tar"), _read_torch),
}
