"""Legends that a label map brings along: the names in its file, or just the codes that occur in it."""

import colorsys
import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dataProcessors.class_tables.attribute_table import CodeRow
from dataProcessors.class_tables.class_names import FileNames, names_of_file
from dataProcessors.labels.label_bands import code_of_nodata
from dataProcessors.labels.label_source import LabelSource
from dataProcessors.labels.occurring import occurring_codes
from dataProcessors.labels.sample import Sample, check_whole_numbers
from dataProcessors.legends.decoders import Decoder, code_decoder, range_decoder
from dataProcessors.legends.legend import MAX_CODE, NO_LABEL, Colour, Legend, told_apart
from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)
NO_CLASS_NAMES = {"na", "nodata", "unclassified", "background", "unlabelled", "unlabeled"}  # without blanks and signs
WELL_NAMED, HALF_NAMED = 0.95, 0.5  # shares of pixels with data: names of fewer are a warning; do not fit the map


def legend_of_names(sample: Sample, threads: int) -> Decoder | None:
    """Return the decoder of the classes that the file names; None: it names none, or none of most pixels.

    Raises:
        MapError: the file's names are damaged
    """
    source = sample.source
    names = names_of_file(source.path, source.vrt, source.labels.values[0])
    if names is None:
        return None
    classes, dropped = _split(source, names)
    if len(classes) >= NO_LABEL:
        classes = _only_occurring(classes, occurring_codes(source, threads))
    if not 1 <= len(classes) < NO_LABEL:
        log.warning("%s: %d named classes are not used, 1 to %d are possible", names.origin, len(classes), NO_LABEL - 1)
        return None
    _check_range([row.low for row in classes], source.path)
    legend = replace(_legend(classes, sample.palette), no_data=_codes_of(dropped, sample))
    index = {row: i for i, row in enumerate(classes)}
    indices = np.array([index.get(row, NO_LABEL) for row in names.rows])  # in the file's order: the first row counts
    decoder = range_decoder(legend, [(row.low, row.high) for row in names.rows], indices)
    return _if_it_fits(sample, decoder, names.origin, dropped)


def _codes_of(rows: list[CodeRow], sample: Sample) -> tuple[int, ...]:
    """Return the codes of a sample that lie in rows."""
    codes = map(int, sample.different[0].ravel().tolist())
    return tuple(code for code in codes if any(row.low <= code <= row.high for row in rows))


def _if_it_fits(sample: Sample, decoder: Decoder, origin: str, dropped: list[CodeRow]) -> Decoder | None:
    share = sample.explained(decoder)
    if share < HALF_NAMED:
        log.warning(
            "%s: its class names are not used, because %.1f%% of the pixels with data have a code with a name. Codes "
            "without one: %s", origin, 100 * share, sample.unexplained(decoder),
        )  # fmt: skip
        return None
    if share < WELL_NAMED:
        log.warning(
            "%s: %.1f%% of the pixels with data have a code without a name and are unlabelled: %s. If these are "
            "classes, describe all of them in a JSON file and name it in 'maps.legends'",
            origin, 100 - 100 * share, sample.unexplained(decoder),
        )  # fmt: skip
    about = ""
    if dropped:
        about = "no class by its name: " + ", ".join(f"{row.name} ({_codes_text(row)})" for row in dropped)
        log.info("%s: %s", origin, about)
    return replace(decoder, reason=f"class names in {origin}", explained=share, about_classes=about)


def _split(source: LabelSource, names: FileNames) -> tuple[list[CodeRow], list[CodeRow]]:
    """Return the rows that are classes, in the order of their codes, and those whose name says that they are none."""
    nodata = source.labels.nodata[0]
    missing = code_of_nodata(nodata, source.labels.dtype) if nodata is not None and _is_whole(source) else nodata
    rows = sorted(dict.fromkeys(names.rows), key=lambda row: row.low)  # a row that is there twice is one
    rows = [row for row in rows if not row.low == row.high == missing]
    return [row for row in rows if not _is_no_class(row.name)], [row for row in rows if _is_no_class(row.name)]


def _is_whole(source: LabelSource) -> bool:
    return source.labels.dtype.kind in "iu"


def _is_no_class(name: str) -> bool:
    return "".join(letter for letter in name.casefold() if letter.isalnum()) in NO_CLASS_NAMES


def _only_occurring(rows: list[CodeRow], codes: dict[int, int]) -> list[CodeRow]:
    found = np.array(list(codes))
    return [row for row in rows if ((found >= row.low) & (found <= row.high)).any()]


def _legend(rows: list[CodeRow], palette: dict[int, Colour]) -> Legend:
    """Return the legend of rows of codes; equal names are told apart by their codes."""
    names = told_apart([row.name for row in rows], map(_codes_text, rows))
    codes = tuple(int(np.ceil(row.low)) for row in rows)
    colours = _different_colours([row.colour or palette.get(code) for row, code in zip(rows, codes)])
    return Legend("own codes", names, colours, codes)


def _codes_text(row: CodeRow) -> str:
    return f"{row.low:g}" if row.low == row.high else f"{row.low:g} to {row.high:g}"


def legend_of_codes(sample: Sample, threads: int) -> Decoder:
    """Return the decoder in which every code that occurs is a class.

    Raises:
        MapError: there are too many, or they are no whole numbers
    """
    source = sample.source
    codes = occurring_codes(source, threads)
    check_whole_numbers(source, np.array(list(codes)))
    if not 1 <= len(codes) < NO_LABEL:
        raise MapError(
            f"{source.path}: a label map must have 1 to {NO_LABEL - 1} classes. Got {len(codes)} codes. If it follows "
            "a legend, name that in 'maps.legends'."
        )
    _check_range(list(codes), source.path)
    rows = [CodeRow(int(code), int(code), f"class {int(code)}") for code in codes]
    legend = _legend(rows, sample.palette)
    reason = "nothing names the classes: every code that occurs in the file is a class"
    return replace(code_decoder(legend, legend.codes or ()), reason=reason)


def _check_range(codes: Sequence[float], path: str) -> None:
    if max(map(abs, codes)) > MAX_CODE:
        raise MapError(
            f"{path}: class codes must lie within ±2**53. Got {min(codes):g} to {max(codes):g}. If one of them means "
            "nodata, declare it, for example with gdal_edit.py -a_nodata."
        )


def _different_colours(colours: list[Colour | None]) -> tuple[Colour, ...]:
    """Return a colour for every class: its own, or another one where it has none or an earlier class has the same."""
    found: list[Colour] = []
    for index, colour in enumerate(colours):
        found.append(colour if colour is not None and colour not in found else distinct_colour(index))
    return tuple(found)


def distinct_colour(index: int) -> Colour:
    """Return a colour for a class that has none, far from the others: hues in steps of the golden angle."""
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618034 % 1.0, 0.55 + 0.35 * (index % 2), 0.9 - 0.2 * (index % 3))
    return round(255 * red), round(255 * green), round(255 * blue)
