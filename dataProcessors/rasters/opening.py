"""Opens raster files for reading, and turns every failure of GDAL into a one-line error."""

import logging
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from config import UserError, command
from config.redaction import redacted
from dataProcessors.rasters.remote_options import is_missing

# errors that rasterio raises where GDAL fails; those of GDAL that it does not wrap have no public name
GDAL_ERRORS = (RasterioError, CRSError, CPLE_BaseError)
LONLAT = "EPSG:4326"
MAX_REASON = 200  # characters; GDAL repeats whole CRSs in its messages
SUBDATASET = re.compile(r"[A-Za-z]\w+:(?!//).+:.+")  # GDAL's names of them: driver:file:name

logging.getLogger("rasterio").setLevel(logging.WARNING)  # lower levels repeat the text of the errors
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)  # reported as a MapError where it matters


class MapError(UserError):
    """A map cannot be used: which file, what is wrong with it, and what to do next."""


class UnreadableError(MapError):
    """GDAL cannot open a file."""


def open_raster(path: str) -> DatasetReader:
    """Open a raster file for reading.

    Raises:
        MapError: the file does not exist, or cannot be read as a raster
    """
    if is_missing(path):
        raise MapError(f"{no_such_file(path)}. Give a GeoTIFF's path in 'maps', or set 'maps' to \"demo\".")
    try:
        file = rasterio.open(path)
        georeference = file.crs, file.transform  # GDAL reads them only when they are accessed
    except GDAL_ERRORS as error:
        raise UnreadableError(
            f"{path}: cannot be opened as a raster file: {error_text(error)} "
            "Copy it again, or set another path in 'maps'."
        ) from None
    if not file.count:
        raise MapError(f"{path}: the file has no bands. {_way_to_bands(file.subdatasets)}")
    _check_transform(path, georeference[1])
    _check_place(path, file)
    return file


def no_such_file(path: str) -> str:
    """Say that a file is missing. A subdataset is none: GDAL's name of it does not tell when its pixels change."""
    said = f"{path}: there is no such file"
    return f"{said}; write this subdataset to one: {_translate(path)}" if SUBDATASET.match(path) else said


def _way_to_bands(subdatasets: list[str]) -> str:
    if not subdatasets:
        return "Use a GeoTIFF."
    return f"It has {len(subdatasets)} subdatasets. Write one of them to a file: {_translate(subdatasets[0])}"


def _translate(name: str) -> str:
    return command("gdal_translate", name, "map.tif")


def _check_place(path: str, file: DatasetReader) -> None:
    """Raise a MapError for a file without a transform that is placed in another way: its pixels lie on no grid."""
    if not file.transform.is_identity:
        return
    points, crs = file.gcps
    place = {
        "ground control points": ([], bool(points)),
        "RPCs (rational polynomial coefficients)": (["-rpc"], file.rpcs is not None),
        "geolocation arrays (longitude and latitude of each pixel)": (["-geoloc"], bool(file.tags(ns="GEOLOCATION"))),
    }
    for kind, (options, is_used) in place.items():
        if is_used:
            target = crs.to_string() if points and crs and crs.is_epsg_code else LONLAT
            warp = command("gdalwarp", *options, "-t_srs", target, path, "warped.tif")
            raise MapError(f"{path}: is placed by {kind}, without a transform. Warp it and use the result: {warp}")


def _check_transform(path: str, transform: Affine) -> None:
    if not all(map(math.isfinite, transform)) or not transform.determinant:
        raise MapError(
            f"{path}: with its transform, {list(transform)[:6]}, pixels have no area. Correct it, for example with "
            "gdal_edit.py -a_ullr."
        )


def error_text(error: Exception) -> str:
    """Return GDAL's description of an error in one line; rasterio's own text often only refers to the cause."""
    text = redacted(" ".join(str(error.__cause__ or error).split()))
    return text if len(text) <= MAX_REASON else text[:MAX_REASON] + " ..."


@contextmanager
def add_path_to_errors(path: str) -> Iterator[None]:
    """Put a map's path in front of any UserError of the block whose message does not have it yet."""
    try:
        yield
    except MapError:
        raise
    except UserError as error:
        raise MapError(f"{path}: {error}") from None


@contextmanager
def convert_read_errors(path: str, window: tuple[int, int, int, int]) -> Iterator[None]:
    """Turn an error of reading a window (x, y, width, height) within the block into a MapError."""
    try:
        yield
    except GDAL_ERRORS as error:
        x, y, width, height = window
        raise MapError(
            f"{path}: columns {x} to {x + width}, rows {y} to {y + height} cannot be read ({error_text(error)}). "
            "The file is damaged there, or names a file that is missing: copy it again, or set 'maps.rect' to a "
            "rectangle without that part."
        ) from None
