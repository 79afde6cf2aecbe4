"""Class colours in the .clr file beside a raster: lines "code red green blue", as ArcGIS, QGIS and GRASS write them."""

import logging
import re
from typing import NamedTuple

from dataProcessors.class_tables.side_files import find_side_file
from dataProcessors.legends.legend import Colour
from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)
SEPARATORS = re.compile(r"[\s,;:]+")


class Line(NamedTuple):
    """A line of a .clr file: code, colour, opacity 0..255, and a name, perhaps empty."""

    code: int
    colour: Colour
    opacity: int
    name: str


def clr_colours(path: str) -> dict[int, Colour]:
    """Return code -> colour of a raster's .clr file, without transparent ones; {} where it has none.

    Raises:
        MapError: the file cannot be read
    """
    return {line.code: line.colour for line in _lines(path) if line.opacity}


def clr_names(path: str) -> dict[int, str]:
    """Return code -> class name of a raster's .clr file: QGIS writes names behind the colours; {} where it has none.

    Raises:
        MapError: the file cannot be read
    """
    return {line.code: line.name for line in _lines(path) if line.name and line.name != str(line.code)}


def _lines(path: str) -> list[Line]:
    file = find_side_file(path, ".clr")
    if file is None:
        return []
    try:
        texts = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise MapError(f"{file}: cannot be read ({error.strerror}). Copy it again, or remove it.") from None
    lines = []
    for number, text in enumerate(map(str.strip, texts), 1):
        if not text or text.startswith(("#", "INTERPOLATION:")):
            continue
        try:
            lines.append(_parse(text))
        except ValueError:
            log.warning(
                '%s: the file is not understood and gives no colours: line %d is not "code red green blue": %.40r',
                file, number, text,
            )  # fmt: skip
            return []
    return lines


def _parse(text: str) -> Line:
    words = SEPARATORS.split(text)
    code, channels = float(words[0]), [int(word) for word in words[1:4]]
    has_opacity = len(words) > 4 and words[4].isdigit()
    opacity, name_at = (int(words[4]), 5) if has_opacity else (255, 4)
    red, green, blue = channels
    if not code.is_integer() or not all(0 <= v <= 255 for v in (*channels, opacity)):
        raise ValueError(text)
    name = SEPARATORS.split(text, name_at)[name_at].strip("\"' ") if len(words) > name_at else ""
    return Line(int(code), (red, green, blue), opacity, name)
