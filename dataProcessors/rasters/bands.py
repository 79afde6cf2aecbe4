"""Which bands of an image file are used, what they are called, and in which type their pixels are read."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)
PIXEL_TYPES = ("uint8", "int8", "int16", "uint16", "float32")  # kept as they are; other types are read as float32
EXACT_IN_FLOAT32 = 2**24  # whole numbers beyond it lose digits
MAX_NAMED = 12  # bands in a log line


@dataclass(frozen=True)
class Bands:
    """The bands of an image file that are used.

    Attributes:
        numbers: of the bands in the file, counted from 1
        names: their descriptions in the file, "" where it has none; the three colours of a palette
        types: their types in the file
        dtype: type of the pixels that are read
        alpha: numbers of the bands that mark pixels without data, and are no data themselves
        palette: (codes, 4) uint8, red, green, blue and alpha of each code, if the one band is shown by its colours
    """

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    types: tuple[str, ...]
    dtype: np.dtype
    alpha: tuple[int, ...] = ()
    palette: np.ndarray | None = None


def choose_bands(path: str, file: DatasetReader, wanted: Sequence[int | str] | None) -> Bands:
    """Return the wanted bands, by number or name; None: all but alpha, and a palette's colours instead of its codes.

    Raises:
        MapError: a band is missing, or has a type that holds no pixel values
    """
    meanings = dict(zip(file.indexes, file.colorinterp))
    alpha = tuple(band for band, meaning in meanings.items() if meaning == ColorInterp.alpha)
    if wanted is None:
        numbers = tuple(band for band in file.indexes if band not in alpha)
        _log_alpha(path, alpha)
    else:
        numbers = tuple(_number(path, file, band) for band in wanted)
    if not numbers:
        raise MapError(f"{path}: no band is used. Name at least one in 'maps.bands'.")
    names = tuple(file.descriptions[band - 1] or "" for band in numbers)
    types = tuple(file.dtypes[band - 1] for band in numbers)
    alpha = tuple(band for band in alpha if band not in numbers)
    colours = colour_table(file, numbers[0]) if wanted is None and len(numbers) == 1 else {}
    if colours and np.dtype(types[0]).kind in "iu":  # floats are no codes
        return _palette_bands(path, file, numbers, alpha, _palette_array(colours))
    return Bands(numbers, names, types, _pixel_type(path, types), alpha)


def describe_bands(path: str, file: DatasetReader, bands: Bands) -> dict[str, list]:
    """Log what the file says about the used bands, where it says anything; return it by subject."""
    numbers = list(islice(cycle(bands.numbers), len(bands.names)))  # the colours of a palette are all of one band
    used = [band - 1 for band in numbers]
    scales, offsets = [file.scales[i] for i in used], [file.offsets[i] for i in used]
    if any(bands.names) and bands.palette is None:
        named = [f"{number} {name}" for number, name in zip(numbers, bands.names)]
        more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
        log.info("%s: bands %s%s", path, ", ".join(named[:MAX_NAMED]), more)
    if any(scale != 1 for scale in scales) or any(offsets):
        log.info(
            "%s: the file has scale %s and offset %s; pixels are used as they are stored, without them",
            path, _distinct(scales), _distinct(offsets),
        )  # fmt: skip
    return {"bands": numbers, "band_names": list(bands.names), "scales": scales, "offsets": offsets}


def meaning(file: DatasetReader, bands: Bands) -> dict[str, Any]:
    """Return what the values of the used bands mean, by subject; files of one map must agree in it."""
    used = [band - 1 for band in bands.numbers]
    codes = colour_table(file, bands.numbers[0]) if len(used) == 1 and bands.palette is None else {}
    return {
        "bands": len(bands.names), "type": bands.dtype.name, "palette": "not used" if bands.palette is None else "used",
        "names": tuple(name.lower() for name in bands.names), "colours of codes": codes,
        "scale": [file.scales[i] for i in used], "offset": [file.offsets[i] for i in used],
    }  # fmt: skip


def _distinct(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in dict.fromkeys(values))


def _log_alpha(path: str, alpha: tuple[int, ...]) -> None:
    if alpha:  # many programs declare the fourth of four bands as alpha, even near infrared
        log.warning(
            "%s: band %d is read as alpha: it marks nodata. If it is data, add it to 'maps.bands'", path, alpha[0]
        )


def _number(path: str, file: DatasetReader, band: int | str) -> int:
    """Return the number of a band that is given by number or name; upper and lower case may differ."""
    if band in file.indexes:
        return int(band)
    names = [name or "" for name in file.descriptions]
    for given, known in ((band, names), (str(band).lower(), [name.lower() for name in names])):
        if known.count(str(given)) == 1:
            return known.index(str(given)) + 1
    named = f", named {', '.join(names)}" if any(names) else ", which have no names"
    if [name.lower() for name in names].count(str(band).lower()) > 1:
        raise MapError(
            f"{path}: more than one band is called {band!r}, as 'maps.bands' has it{named}. Give its number."
        )
    raise MapError(f"{path}: 'maps.bands' has band {band!r}, but the file has bands 1 to {file.count}{named}.")


def _pixel_type(path: str, types: tuple[str, ...]) -> np.dtype:
    if any(name.startswith("complex") for name in types):
        raise MapError(
            f"{path}: its pixels are complex numbers, amplitude and phase at once, as of radar. Write the amplitude "
            "to a file of its own, for example with gdal_calc.py --calc='abs(A)' --type=Float32, and use that."
        )
    common = np.result_type(*types)
    if common.name in PIXEL_TYPES:
        return common
    loses = f", which holds whole numbers up to {EXACT_IN_FLOAT32:,} exactly" if common.kind in "iu" else ""
    log.info("%s: %s is read as float32%s", path, " and ".join(dict.fromkeys(types)), loses)
    return np.dtype(np.float32)


def colour_table(file: DatasetReader, band: int) -> dict[int, tuple[int, int, int, int]]:
    """Return code -> red, green, blue and alpha of a band's palette; {}: it has none, though it may declare one."""
    try:
        return file.colormap(band) if file.colorinterp[band - 1] == ColorInterp.palette else {}
    except ValueError:
        return {}


def _palette_array(colours: dict[int, tuple[int, int, int, int]]) -> np.ndarray:
    """Return red, green, blue and alpha of each code, (codes, 4) uint8; transparent for a code that has none."""
    palette = np.zeros((max(colours) + 1, 4), np.uint8)
    palette[list(colours)] = list(colours.values())
    return palette


def _palette_bands(
    path: str, file: DatasetReader, numbers: tuple[int, ...], alpha: tuple[int, ...], palette: np.ndarray
) -> Bands:
    log.info("%s: band %d has a palette: its colours are used. For its codes, name it in 'maps.bands'", path, *numbers)
    types = (file.dtypes[numbers[0] - 1],)
    return Bands(numbers, ("red", "green", "blue"), types, np.dtype(np.uint8), alpha, palette)
