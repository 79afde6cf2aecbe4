"""Letters of names that the font of the figures lacks, such as Chinese ones: found in other fonts, or replaced."""

import logging
from collections.abc import Iterable, Sequence
from functools import cache

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

log = logging.getLogger(__name__)
PLACEHOLDER_FONTS = ("Last Resort", ".LastResort")  # beginnings of names: they draw the same box for every letter


def legible(names: Sequence[str], instead: Sequence[str]) -> list[str]:
    """Return the names as figures can show them.

    Fonts of this machine that have the missing letters are added to those that matplotlib uses. Where none has, a name
    without any letter left is replaced, and others get a question mark for each letter that is missing.

    Args:
        names: (K,) names
        instead: (K,) replacements
    """
    wanted = frozenset(letter for name in names for letter in name if not letter.isspace())
    missing = _missing_letters(wanted)
    if not missing:
        return list(names)
    shown = ["".join("?" if letter in missing else letter for letter in name) for name in names]
    return [new if any(map(str.isalnum, new)) else other for new, other in zip(shown, instead)]


@cache
def _missing_letters(wanted: frozenset[str]) -> frozenset[str]:
    """Return the letters that no font has; use the fonts that have the others from now on, and log what is missing."""
    missing = wanted - _letters_of(findfont(FontProperties()))
    fonts: list[str] = []
    for font in fontManager.ttflist if missing else ():
        found = set() if font.name.startswith(PLACEHOLDER_FONTS) else missing & _letters_of(font.fname)
        if found:
            missing, fonts = missing - found, [*fonts, font.name]
    if fonts:
        mpl.rcParams["font.family"] = [*mpl.rcParams["font.family"], *fonts]
    if missing:
        log.warning(
            "No font of this machine has the letters %s: figures show '?' or a number instead, tables the names. "
            "Where a font that has them is installed, it is used",
            _short(missing),
        )  # fmt: skip
    return missing


def _letters_of(path: str) -> set[str]:
    try:
        return set(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError, ValueError):  # a font that matplotlib cannot read
        return set()


def _short(letters: Iterable[str]) -> str:
    ordered = sorted(letters)
    return " ".join(ordered[:5]) + (f" and {len(ordered) - 5} more" if len(ordered) > 5 else "")
