"""Which class a polygon or point is: from what its column holds to class indices."""

import logging
from collections import Counter
from collections.abc import Sequence

from dataProcessors.legends.legend import MAX_CODE, NO_LABEL, Legend
from dataProcessors.rasters.opening import MapError
from dataProcessors.vectors.features import Value

log = logging.getLogger(__name__)
MIN_EXPLAINED = 0.95  # share of the features with a value that a legend must know
MAX_SHOWN = 5  # values that a message names
MIN_NUMBERED = 10  # features; of fewer, each may well be of a class of its own


def classes_of_legend(path: str, legend: Legend, counts: Counter) -> tuple[tuple[int, ...] | None, dict[Value, int]]:
    """Return the codes of a legend that its classes have in a column, and value -> class index.

    The column has the codes in one of their numberings, or the names of the classes; these have the legend's own codes.

    Args:
        path: of the file, for messages
        legend: that the config names
        counts: number of features of each value
    Raises:
        MapError: the legend knows fewer than MIN_EXPLAINED of the features
    """
    ways: list[tuple[tuple[int, ...] | None, dict[Value, int]]] = [
        *((numbering, _by_code(numbering, counts)) for numbering in legend.numberings),
        (legend.codes, _by_name(legend.names, counts)),
    ]
    codes, known = max(ways, key=lambda way: sum(counts[value] for value in way[1]))
    expected = {value: number for value, number in counts.items() if _number(value) not in legend.no_data}
    share = sum(counts[value] for value in known) / max(sum(expected.values()), 1)
    others = sorted(set(expected) - set(known), key=lambda value: -counts[value])
    unknown = ", ".join(f"{value} ({counts[value]})" for value in others[:MAX_SHOWN])
    if share < MIN_EXPLAINED:
        raise MapError(
            f"{path}: {share:.1%} of the features have a code or name of the legend {legend.name}. Others: {unknown}. "
            "Choose another 'column', or another legend in 'maps.legends'."
        )
    if others:
        log.warning("%s: features without a class in the legend %s: %s", path, legend.name, unknown)
    return codes, known


def own_classes(path: str, counts: Counter) -> tuple[tuple[str, ...], tuple[int, ...] | None, dict[Value, int]]:
    """Return the classes that the values of a column are: names, codes if all are whole numbers, value -> class index.

    Numbers come in their order, also those written as text; then texts in alphabetic order. So the order depends on
    which values there are, not on where they are.

    Raises:
        MapError: there are too many classes, or none
    """
    values = sorted(counts, key=_order)
    if not 1 <= len(values) < NO_LABEL:
        raise MapError(
            f"{path}: a label map must have 1 to {NO_LABEL - 1} classes. Got {len(values)} values. Choose a 'column' "
            "that names classes, or name a legend in 'maps.legends'."
        )
    numbers = [_number(value) for value in values]
    codes = tuple(number for number in numbers if number is not None and abs(number) <= MAX_CODE)
    unique = len(codes) == len(values) == len(set(codes))
    names = tuple(f"class {value}" if isinstance(value, int) else str(value) for value in values)
    return names, codes if unique else None, {value: index for index, value in enumerate(values)}


def warn_of_numbers(path: str, column: str, counts: Counter) -> None:
    """Log a warning where hardly two features have the same value: the column may number them, and name no classes."""
    features = sum(counts.values())
    if features >= MIN_NUMBERED and len(counts) > features / 2:
        log.warning(
            "%s: the column %r has %d values in %d features: does it number them? Each value is a class", path, column,
            len(counts), features,
        )  # fmt: skip


def _by_code(numbering: Sequence[int], counts: Counter) -> dict[Value, int]:
    index = {code: i for i, code in enumerate(numbering)}
    return {value: index[code] for value in counts if (code := _number(value)) in index and code is not None}


def _by_name(names: Sequence[str], counts: Counter) -> dict[Value, int]:
    index = {name.casefold(): i for i, name in enumerate(names)}
    return {value: index[str(value).casefold()] for value in counts if str(value).casefold() in index}


def _number(value: Value) -> int | None:
    try:
        return int(value) if value is not None else None
    except ValueError:
        return None


def _order(value: Value) -> tuple:
    number = _number(value)
    return (number is None, number or 0, str(value).casefold(), str(value))
