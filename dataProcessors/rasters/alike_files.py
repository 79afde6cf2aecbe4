"""Opens the files of one image map, whose pixels must mean the same in all of them."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import eq

from dataProcessors.rasters import bands as bands_module
from dataProcessors.rasters.handles import OpenFiles
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.opening import MapError

OPEN_FILES = 8  # of each thread
ADVICE = {  # what files differ in -> what to do
    "bands": "Name bands that all files have in 'maps.bands'",
    "type": "Convert one of them, for example with gdal_translate -ot",
    "palette": "Convert one of them, for example with gdal_translate -expand rgb",
    "names": "Name the bands in 'maps.bands': they are then found by name in each file",
    "colours of codes": "Their codes mean different things: leave out 'maps.bands', and the colours are used",
    "scale": "Bring them to one scale, for example with gdal_translate -unscale",
    "offset": "Bring them to one scale, for example with gdal_translate -unscale",
}


def _names_agree(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Return whether no band has two names; a file that does not name it says nothing."""
    return not any(name and other and name != other for name, other in zip(names, others))


AGREE = {"names": _names_agree}  # subject -> how two files are compared in it; others must be equal


def open_alike(files: Sequence[str], bands: Sequence[int | str] | None, nodata: float | None) -> list[ImageSource]:
    """Open the files, and say of the later ones only what does not hold for the first.

    Raises:
        MapError: a file has pixels of another meaning than the first one
    """
    handles, sources = OpenFiles(OPEN_FILES), list[ImageSource]()
    kinds = list[ImageSource]()  # more than one where some files name their bands
    with _log_once():
        for path in files:
            source = ImageSource(path, bands, nodata, handles.of)
            for kind in kinds:
                _check_alike(kind, source)
            if all(source.meaning != kind.meaning for kind in kinds):
                kinds.append(source)
            sources.append(source)
    return sources


def _check_alike(first: ImageSource, other: ImageSource) -> None:
    here, there = first.meaning, other.meaning
    differing = [subject for subject in here if not AGREE.get(subject, eq)(here[subject], there[subject])]
    if differing:
        subject = differing[0]
        raise MapError(
            f"{other.path} and {first.path} cannot be one map: they differ in {subject}: {_shown(there[subject])} and "
            f"{_shown(here[subject])}. {ADVICE[subject]}."
        )


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    return text if len(text) <= 100 else f"{text[:100]} ..."


@contextmanager
def _log_once() -> Iterator[None]:
    """Log what is logged of the bands of many files once, and of the others only what differs from all before."""
    logged = set[tuple]()

    def is_new(record: logging.LogRecord) -> bool:
        arguments = record.args[1:] if isinstance(record.args, tuple) else record.args  # the first one is the path
        message = record.msg, str(arguments)
        if message in logged:
            return False
        logged.add(message)
        return True

    bands_module.log.addFilter(is_new)
    try:
        yield
    finally:
        bands_module.log.removeFilter(is_new)
