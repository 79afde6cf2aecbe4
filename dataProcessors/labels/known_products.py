"""Legends of known products that nobody named: by codes and palette together, or by the colours of three bands."""

import logging
from dataclasses import replace

import numpy as np

from dataProcessors.labels.label_bands import codes_error
from dataProcessors.labels.sample import FREQUENT, MIN_EXPLAINED, Sample
from dataProcessors.legends.decoders import Decoder, code_decoder, colour_decoders, no_data_colours
from dataProcessors.legends.legend import COLOUR_TOLERANCE, NO_LABEL, Colour, Legend, builtin_legends
from dataProcessors.rasters.opening import MapError

log = logging.getLogger(__name__)
MIN_CLASSES = 3  # of a legend that must be seen before it is taken for a map that nobody named
LIKE = 3  # codes fit a legend if they are at least one of so many of its codes
LOSSY = ("JPEG", "WEBP", "JXL", "LERC")  # parts of names of compressions that may change colours


def known_product(sample: Sample) -> Decoder | None:
    """Return the decoder of the product of which both the codes and the palette are in the file, if there is one."""
    found = []
    for legend in builtin_legends().values():
        for codes in legend.numberings:
            decoder = code_decoder(replace(legend, codes=codes), codes)
            shown = _shown_classes(legend, codes, sample.palette)
            occurring = np.unique(decoder.to_classes(sample.different[0]))
            if len(shown) >= MIN_CLASSES and set(occurring.tolist()) <= shown | {NO_LABEL}:
                found.append((sample.explained(decoder), len(shown), decoder))
    found = [each for each in found if each[0] >= MIN_EXPLAINED]
    if not found:
        return None
    share, _, decoder = max(found, key=lambda each: each[:2])
    reason = f"codes and palette of the file are those of {title(decoder.legend)}"
    return replace(decoder, reason=reason, explained=share)


def _shown_classes(legend: Legend, codes: tuple[int, ...], palette: dict[int, Colour]) -> set[int]:
    """Return the classes that have their own colour in a palette; black is also that of entries that nobody set."""
    pairs = enumerate(zip(codes, legend.colors))
    near = {
        index: colour for index, (code, colour) in pairs if _distance(palette.get(code), colour) <= COLOUR_TOLERANCE
    }
    return set(near) if sum(any(colour) for colour in near.values()) >= MIN_CLASSES else set()


def _distance(first: Colour | None, second: Colour) -> int:
    return 3 * 255 if first is None else sum(abs(a - b) for a, b in zip(first, second))


def known_colours(sample: Sample) -> Decoder:
    """Return the decoder of the legend that has every frequent colour of the map.

    Raises:
        MapError: there is none
    """
    source = sample.source
    if sample.is_mostly_equal:
        raise codes_error(source.path, source.name, "its three bands are equal")
    best, best_way = (False, -1.0), None
    for legend in builtin_legends().values():
        for way in colour_decoders(legend):  # only the best one is kept
            share = sample.explained(way)
            fit = share >= MIN_EXPLAINED and _has_colours(sample, way), share
            if fit > best:
                best, best_way = fit, replace(way, explained=share)
    assert best_way is not None  # the project has legends
    if not best[0]:
        raise _unknown_colours(sample, best_way)
    return replace(best_way, reason=f"every frequent colour is one of {title(best_way.legend)}")


def _unknown_colours(sample: Sample, nearest: Decoder) -> MapError:
    source = sample.source
    why = sample.unexplained(nearest)
    return MapError(
        f"{source.path}: {nearest.explained:.1%} of the pixels match the legend {nearest.legend.name} "
        f"({nearest.description}), the nearest known one, "
        f"{f'but not the colours {why}' if why else 'but fewer than three of its classes occur, or not exactly'}. "
        f"If the bands are colours, name their legend in 'maps.legends': {', '.join(builtin_legends())}, or a JSON "
        f'file of its classes. If they are codes, name one: "labels": {{"{source.name}": {{"path": "{source.path}", '
        '"band": 1}}.'
    )


def _has_colours(sample: Sample, decoder: Decoder) -> bool:
    """Return whether a legend has all frequent colours of the map, exactly unless compression may have changed them."""
    values, shares = sample.different
    classes = decoder.to_classes(values)[0]
    frequent = (shares >= FREQUENT) & ~sample.no_data(decoder)
    if len(np.unique(classes[classes != NO_LABEL])) < MIN_CLASSES or (classes[frequent] == NO_LABEL).any():
        return False
    compression = sample.source.native.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")
    if any(each in compression for each in LOSSY):
        return True
    colours = values[[decoder.order.index(letter) for letter in "RGB"], 0][:, frequent].T.tolist()  # (d, 3)
    return all(tuple(colour) == decoder.legend.colors[index] for colour, index in zip(colours, classes[frequent]))


def log_similar(sample: Sample, legend: Legend) -> None:
    """Say to which products the codes or the palette alone would fit, and how to name one: alone they are no evidence.

    Args:
        sample: of the map
        legend: of the codes that occur
    """
    codes, similar = set(legend.codes or ()), []
    for known in builtin_legends().values():
        if len(codes) >= MIN_CLASSES and _has_codes(known, codes):
            similar.append((known.name, "codes"))
        elif len(codes) >= MIN_CLASSES and _has_palette(known, {sample.palette.get(code) for code in codes}):
            similar.append((known.name, "colours"))
    if similar:
        source = sample.source
        log.info(
            "%s: it has %s. If it is that product, say so in the config: \"legends\": {\"%s\": \"%s\"}",
            source.path, " and ".join(f"the {what} of {name}" for name, what in similar), source.name, similar[0][0],
        )  # fmt: skip


def _has_codes(known: Legend, codes: set[int]) -> bool:
    allowed = set(known.no_data)
    return any(codes <= allowed | set(each) and LIKE * len(codes & set(each)) >= len(each) for each in known.numberings)


def _has_palette(known: Legend, colours: set[Colour | None]) -> bool:
    """Return whether all colours but those of "no data" belong to a legend, and to several of its classes."""
    near = [
        [index for index, colour in enumerate(known.colors) if _distance(each, colour) <= COLOUR_TOLERANCE]
        for each in colours - set(no_data_colours(known))
    ]
    return all(near) and len({index for each in near for index in each}) >= MIN_CLASSES


def title(legend: Legend) -> str:
    """Return a legend's name in configs, with its title."""
    return f"{legend.name} ({legend.title})" if legend.title else legend.name
