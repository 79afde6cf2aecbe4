"""Which bands pictures of a map show as red, green and blue."""

from collections.abc import Sequence

from rasterio.enums import ColorInterp

SHOWN_BANDS = 3
COLOURS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
# names of the red, green and blue band, in lower case -> a name that a file must have too, lest they mean other bands
TRUE_COLOUR: dict[tuple[str, str, str], str | None] = {
    ("red", "green", "blue"): None,
    ("b04", "b03", "b02"): None,  # Sentinel-2; Landsat 8 and 9 in Harmonized Landsat Sentinel-2
    ("b4", "b3", "b2"): "b8a",  # Sentinel-2 in Earth Engine; Landsat's bands of these names are others
    ("sr_b4", "sr_b3", "sr_b2"): "sr_b6",  # Landsat 8 and 9, Collection 2: earlier ones have no such band
    ("sr_b3", "sr_b2", "sr_b1"): "sr_b7",  # Landsat 4 to 7, Collection 2
}


def choose_shown(names: Sequence[str], meanings: Sequence[ColorInterp]) -> tuple[tuple[int, ...], str]:
    """Return the indices of the bands that are shown as red, green and blue, and why; "": they are the first ones.

    Args:
        names: of all bands, "" where one has none
        meanings: what the file says that each band is
    """
    first, found, reason = tuple(range(min(len(names), SHOWN_BANDS))), None, ""
    if all(meanings.count(colour) == 1 for colour in COLOURS):
        found, reason = tuple(meanings.index(colour) for colour in COLOURS), "as the file says"
    else:
        found, reason = _by_name([name.strip().lower() for name in names]), "by their names"
    return (first, "") if found in (None, first) else (found, reason)


def in_overview(shown: Sequence[int], number: int) -> tuple[int, ...]:
    """Return the indices of the bands that the overview of a map holds: the first ones, and those that are shown.

    The hash of a map is of the first ones alone, so that it does not depend on what is shown.
    """
    return tuple(dict.fromkeys([*range(min(number, SHOWN_BANDS)), *shown]))


def _by_name(names: list[str]) -> tuple[int, ...] | None:
    for wanted, beside in TRUE_COLOUR.items():
        if all(names.count(name) == 1 for name in wanted) and (beside is None or beside in names):
            return tuple(names.index(name) for name in wanted)
    return None
