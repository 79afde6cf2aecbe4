"""Raster files opened for reading, and one clear line wherever that, or what is done with them later, fails."""

import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError

from config import UserError

# all that rasterio raises where GDAL fails; GDAL's own errors, which it does not always wrap, have no public name
GDAL_ERRORS = (RasterioError, CRSError, CPLE_BaseError)
MAX_REASON = 200  # characters; GDAL repeats whole CRSs in its messages

logging.getLogger("rasterio").setLevel(logging.WARNING)  # below that it repeats what the errors say
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)  # where it matters, a line says it


class MapError(UserError):
    """A map that cannot be used: which file, what is wrong with it, what to do."""


def open_raster(path: str):
    """Open a raster file for reading.

    Raises:
        MapError: the file does not exist, or is none that can be read
    """
    if not os.path.exists(path) and "://" not in path:
        raise MapError(f"{path}: there is no such file. Give a GeoTIFF's path in 'maps', or set 'maps' to \"demo\".")
    try:
        file = rasterio.open(path)
        place = file.crs, file.transform  # what the header says of them is read now only
    except GDAL_ERRORS as error:
        raise MapError(
            f"{path}: cannot be opened as a raster file: {reason(error)} Get the file again, or name another in 'maps'."
        ) from None
    if not file.count:
        raise MapError(
            f"{path}: the file has no bands. "
            "Give a GeoTIFF, such as gdal_translate makes of a data set within the file."
        )
    _check_transform(path, place[1])
    return file


def _check_transform(path: str, transform: Affine) -> None:
    if not all(map(math.isfinite, transform)) or not transform.determinant:
        raise MapError(
            f"{path}: its transform, {list(transform)[:6]}, gives the pixels no extent. Write it anew, for example "
            "with gdal_edit.py -a_ullr."
        )


def reason(error: Exception) -> str:
    """What GDAL says went wrong, in one line: rasterio often only points to the exception before."""
    text = " ".join(str(error.__cause__ or error).split())
    return text if len(text) <= MAX_REASON else text[:MAX_REASON] + " ..."


@contextmanager
def naming_path(path: str) -> Iterator[None]:
    """Put a map's path before what goes wrong within the block, where the message does not name it yet."""
    try:
        yield
    except MapError:
        raise
    except UserError as error:
        raise MapError(f"{path}: {error}") from None


@contextmanager
def reading(path: str, window: tuple[int, int, int, int]) -> Iterator[None]:
    """Turn what goes wrong in reading a window (x, y, width, height) within the block into a MapError."""
    try:
        yield
    except GDAL_ERRORS as error:
        x, y, width, height = window
        raise MapError(
            f"{path}: columns {x} to {x + width}, rows {y} to {y + height} cannot be read ({reason(error)}). "
            "The file is damaged there: get it again, or choose a rectangle without that part in 'maps.rect'."
        ) from None
