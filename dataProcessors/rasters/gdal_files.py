"""What GDAL knows of a remote file beside its pixels: headers, first bytes, and what it remembers of it.

rasterio does not hand these on. So GDAL's own C functions are called, in the library that rasterio brings along; they
use the same connections, credentials and options as rasterio's reads.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import rasterio._base

from dataProcessors.rasters.opening import MapError

TEXTS = ctypes.POINTER(ctypes.c_char_p)
FUNCTIONS: dict[str, tuple[type | None, list[type]]] = {  # name in GDAL -> what it returns, and its arguments
    "VSIGetFileMetadata": (TEXTS, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]),
    "CSLDestroy": (None, [TEXTS]),
    "VSICurlPartialClearCache": (None, [ctypes.c_char_p]),
    "VSIFOpenExL": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]),
    "VSIFReadL": (ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]),
    "VSIFCloseL": (ctypes.c_int, [ctypes.c_void_p]),
    "VSIErrorReset": (None, []),
    "VSIGetLastErrorMsg": (ctypes.c_char_p, []),
    "CPLErrorReset": (None, []),
    "CPLGetLastErrorMsg": (ctypes.c_char_p, []),
    "CPLPushErrorHandler": (None, [ctypes.c_void_p]),
    "CPLPopErrorHandler": (None, []),
    "CPLQuietErrorHandler": (None, []),  # only its address is used
}


@cache
def gdal() -> ctypes.CDLL:
    """Return the library with GDAL's functions. It is looked for with the first remote file: others do not need it.

    Raises:
        MapError: they cannot be called in this installation of rasterio
    """
    try:
        library = ctypes.CDLL(rasterio._base.__file__)  # finds functions of the libraries that this one is linked with
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise MapError(
            f"Maps on a server cannot be read with this installation of rasterio ({error}). Install its wheel from "
            "PyPI, or download the map and give its path."
        ) from None
    return library


class GdalFileError(Exception):
    """GDAL could not open a file, or read its beginning; the text is its reason."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep GDAL from printing the errors and warnings of this thread within the block."""
    gdal().CPLPushErrorHandler(ctypes.cast(gdal().CPLQuietErrorHandler, ctypes.c_void_p))
    try:
        yield
    finally:
        gdal().CPLPopErrorHandler()


def headers(name: str) -> dict[str, str]:
    """Ask the server for the headers of a file, name in lower case -> value; {}: it does not answer, or refuses.

    Args:
        name: GDAL's name of the file, such as /vsicurl/https://...
    """
    with _quiet():
        texts = gdal().VSIGetFileMetadata(name.encode(), b"HEADERS", None)
    found = {}
    for index in range(10_000 if texts else 0):
        if texts[index] is None:
            break
        key, _, value = texts[index].decode(errors="replace").partition("=")
        found[key.strip().lower()] = value.strip()
    gdal().CSLDestroy(texts)
    return found


def first_bytes(name: str, number: int) -> int:
    """Read the first bytes of a file, which GDAL keeps for who opens it next; return how many came.

    Raises:
        GdalFileError: it cannot be opened, or GDAL says why nothing came
    """
    buffer = ctypes.create_string_buffer(number)
    with _quiet():
        gdal().VSIErrorReset()
        gdal().CPLErrorReset()
        file = gdal().VSIFOpenExL(name.encode(), b"rb", 1)
        if not file:
            reason = gdal().VSIGetLastErrorMsg() or b"there is no such file"
            raise GdalFileError(reason.decode(errors="replace"))
        try:
            came = gdal().VSIFReadL(buffer, 1, number, file)
            if not came and gdal().CPLGetLastErrorMsg():
                raise GdalFileError(gdal().CPLGetLastErrorMsg().decode(errors="replace"))
            return came
        finally:
            gdal().VSIFCloseL(file)


def forget(name: str) -> None:
    """Let GDAL forget what it read of a file, or that it could not; it would remember that for the whole process."""
    gdal().VSICurlPartialClearCache(name.encode())
