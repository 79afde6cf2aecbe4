"""Decides, by evidence, how the pixel values of a label map become class indices.

In this order: what the config says; the names in the file; a known product whose codes and palette, or whose colours,
are in the file; else the codes of the file. That values merely look like those of a legend is no evidence.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from dataProcessors.labels.file_legend import legend_of_codes, legend_of_names
from dataProcessors.labels.known_products import known_colours, known_product, log_similar, title
from dataProcessors.labels.label_bands import codes_error
from dataProcessors.labels.label_source import LabelSource
from dataProcessors.labels.sample import MIN_EXPLAINED, Sample, take_sample
from dataProcessors.legends.decoders import Decoder, code_decoder, colour_decoders
from dataProcessors.legends.legend import NO_LABEL, Colour, Legend, builtin_legends, find_builtin, legend_from_json
from dataProcessors.rasters.grid import Window
from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)


def choose_decoder(source: LabelSource, hint: str | None, window: Window, threads: int = 1) -> Decoder:
    """Return the way to read a label map, with the reason.

    Args:
        source: the label map on the image's grid
        hint: name of a legend, path of a legend file, or None: the map's own name may be that of a legend
        window: the part of the grid in use
        threads: that may decode the file
    Raises:
        MapError: the map lies elsewhere, its values cannot be classes, or it does not follow the legend that is named
    """
    sample = take_sample(source, window)
    decoder = _named_by_config(sample, hint)
    if decoder is None and sample.holds_colours:
        decoder = known_colours(sample)
    elif decoder is None:
        decoder = legend_of_names(sample, threads) or known_product(sample)
    if decoder is None:
        decoder = legend_of_codes(sample, threads)
        log_similar(sample, decoder.legend)
    return replace(decoder, legend=replace(decoder.legend, name=source.name))


def _named_by_config(sample: Sample, hint: str | None) -> Decoder | None:
    """Return the decoder of the legend that the config names; None: it names none.

    Raises:
        MapError: the legend does not explain the map
    """
    source = sample.source
    legend = named_legend(source.name, hint)
    if legend is None:
        return None
    found: list[Decoder] = []
    for ways in _ways_to_read(sample, legend):
        decoder = max((replace(way, explained=sample.explained(way)) for way in ways), key=_share)
        if decoder.explained >= MIN_EXPLAINED:
            said = "the config names this legend" if hint else f"the label map's name in the config, {source.name}"
            return replace(decoder, reason=f"{said}: {title(legend)}")
        found.append(decoder)
    decoder = max(found, key=_share)
    other = "name another legend in 'maps.legends'" if hint else "give the label map another name in 'maps.labels'"
    problem = (
        f"{decoder.explained:.1%} of the pixels match the legend {legend.name} ({decoder.description}), which the "
        f"config names; {MIN_EXPLAINED:.0%} are needed. Values without a class: {sample.unexplained(decoder)}"
    )
    if sample.is_mostly_equal:
        raise codes_error(source.path, source.name, f"{problem}. Its three bands are equal")
    raise MapError(f"{source.path}: {problem}. Correct the legend, or {other}.")


def _share(decoder: Decoder) -> float:
    return decoder.explained


def named_legend(name: str, hint: str | None) -> Legend | None:
    """Return the legend that the config names, by a hint or by the map's own name; None: it names none.

    Raises:
        MapError: the hint is neither the name of a legend nor the path of a legend file
    """
    legend = find_builtin(name if hint is None else hint)
    if legend is not None or hint is None:
        return legend
    try:
        return legend_from_json(hint, json.loads(Path(hint).read_text(encoding="utf8")))
    except (OSError, ValueError, KeyError, TypeError) as error:  # a missing code is a KeyError
        raise MapError(
            f"'{hint}' is not a legend. Use {', '.join(builtin_legends())}, or a JSON file {{\"classes\": "
            f'[{{"name": ..., "color": [r, g, b], "code": ...}}, ...]}} ({type(error).__name__}: {error}).'
        ) from None


def _ways_to_read(sample: Sample, legend: Legend) -> Iterator[list[Decoder]]:
    """Yield the ways in which a map can follow a named legend: its codes, its colours, the order of its classes.

    The first that explains the map is meant: a code that the legend does not know is no class because its colour in
    the palette is one of the legend's, such as the black of entries that nobody set.
    """
    if sample.holds_colours:
        yield colour_decoders(legend)
        return
    if legend.numberings:
        yield [code_decoder(replace(legend, codes=codes), codes) for codes in legend.numberings]
    if sample.palette:
        yield [_palette_decoder(legend, sample.palette)]
    if not legend.numberings:
        yield [_numbered_decoder(sample, legend)]


def _palette_decoder(legend: Legend, palette: dict[int, Colour]) -> Decoder:
    colours = np.array(list(palette.values()), np.uint8).T[:, None]  # (3, 1, codes)
    classes = colour_decoders(legend)[0].to_classes(colours)[0]
    known = classes != NO_LABEL
    return code_decoder(legend, tuple(np.array(list(palette))[known]), classes[known], "colours of the palette")


def _numbered_decoder(sample: Sample, legend: Legend) -> Decoder:
    codes = tuple(range(1, len(legend) + 1))
    decoder = code_decoder(replace(legend, codes=codes), codes, description="codes 1, 2, 3, ...")
    if not sample.palette and (sample.values == 0).any():
        log.warning(
            "%s: the legend %s has no codes, so 1 is read as %s, and 0, which occurs, as unlabelled. If 0 is a "
            "class, add a 'code' to each class of the legend", sample.source.path, legend.name, legend.names[0],
        )  # fmt: skip
    return decoder
