"""What GDAL knows of a remote file beside its pixels: headers, first bytes, and what it remembers of it.

rasterio does not hand these on. So GDAL's own C functions are called, in the library that rasterio brings along; they
use the same connections, credentials and options as rasterio's reads.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio._base

_gdal = ctypes.CDLL(rasterio._base.__file__)  # finds the functions of the libraries that this one is linked with


def _function(name: str, result: type | None, *arguments: type) -> "ctypes._FuncPointer":
    function = getattr(_gdal, name)
    function.restype, function.argtypes = result, arguments
    return function


_TEXTS = ctypes.POINTER(ctypes.c_char_p)
_get_metadata = _function("VSIGetFileMetadata", _TEXTS, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
_free_texts = _function("CSLDestroy", None, _TEXTS)
_forget = _function("VSICurlPartialClearCache", None, ctypes.c_char_p)
_open = _function("VSIFOpenExL", ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
_read = _function("VSIFReadL", ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
_close = _function("VSIFCloseL", ctypes.c_int, ctypes.c_void_p)
_reset_reason = _function("VSIErrorReset", None)
_get_reason = _function("VSIGetLastErrorMsg", ctypes.c_char_p)
_reset_error = _function("CPLErrorReset", None)
_get_error = _function("CPLGetLastErrorMsg", ctypes.c_char_p)
_push_handler = _function("CPLPushErrorHandler", None, ctypes.c_void_p)
_pop_handler = _function("CPLPopErrorHandler", None)
_QUIET = ctypes.cast(_gdal.CPLQuietErrorHandler, ctypes.c_void_p)


class GdalFileError(Exception):
    """GDAL could not open a file, or read its beginning; the text is its reason."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep GDAL from printing the errors and warnings of this thread within the block."""
    _push_handler(_QUIET)
    try:
        yield
    finally:
        _pop_handler()


def headers(name: str) -> dict[str, str]:
    """Ask the server for the headers of a file, name in lower case -> value; {}: it does not answer, or refuses.

    Args:
        name: GDAL's name of the file, such as /vsicurl/https://...
    """
    with _quiet():
        texts = _get_metadata(name.encode(), b"HEADERS", None)
    found = {}
    for index in range(10_000 if texts else 0):
        if texts[index] is None:
            break
        key, _, value = texts[index].decode(errors="replace").partition("=")
        found[key.strip().lower()] = value.strip()
    _free_texts(texts)
    return found


def first_bytes(name: str, number: int) -> int:
    """Read the first bytes of a file, which GDAL keeps for who opens it next; return how many came.

    Raises:
        GdalFileError: it cannot be opened, or GDAL says why nothing came
    """
    buffer = ctypes.create_string_buffer(number)
    with _quiet():
        _reset_reason()
        _reset_error()
        file = _open(name.encode(), b"rb", 1)
        if not file:
            raise GdalFileError((_get_reason() or b"").decode(errors="replace") or "there is no such file")
        try:
            came = _read(buffer, 1, number, file)
            if not came and _get_error():
                raise GdalFileError(_get_error().decode(errors="replace"))
            return came
        finally:
            _close(file)


def forget(name: str) -> None:
    """Let GDAL forget what it read of a file, or that it could not; it would remember that for the whole process."""
    _forget(name.encode())
