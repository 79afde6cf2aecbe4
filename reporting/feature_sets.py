"""The feature sets whose scores are shown side by side (trained, yardsticks, chance): titles, colours, order.

Every table, figure and chart takes them from here; a feature set that is not listed is a yardstick of the user's.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from evaluation.scores import Score
from evaluation.segmentation import COARSENED

TRAINED, CHANCE = "trained", "chance"
UNTRAINED, BAND_STATISTICS = "untrained", "band_statistics"


class Look(NamedTuple):
    """How a yardstick is shown: by colour, and for those who cannot tell it, by line style or marker too."""

    colour: str
    line: str | tuple
    marker: str


# colours of Okabe & Ito 2008 that no run has, in the order in which yardsticks are shown
YARDSTICKS = {
    UNTRAINED: Look("#009E73", "--", "o"),
    BAND_STATISTICS: Look("#CC79A7", "-.", "s"),
    "random_convolutions": Look("#E69F00", (0, (6, 1.5)), "^"),
}
USER_YARDSTICK = Look("#56B4E9", (0, (5, 1, 1, 1, 1, 1)), "v")  # of a raster of the user's
CHANCE_LOOK = Look("#666666", ":", "")
FEATURE_TITLES = {
    BAND_STATISTICS: "band statistics",
    "random_convolutions": "random convolutions",
    COARSENED: "coarse labels",
}
SPREAD_TEXT = "standard deviation over the draws (of segmentation: over resampled cells)"  # the number after ±

# metric at chance -> the metrics that have this value at chance
METRICS_AT_CHANCE = {
    "MAP@R_chance": ("MAP@R",),
    "MAP_chance": ("MAP@1", "MAP@5", "MAP@10"),
    "graded_MAP@R_chance": ("graded_MAP@R",),
}


def separate_chance(scores: Iterable[Score]) -> list[Score]:
    """Return the scores with the values at chance as a feature set of their own, named "chance".

    "MAP@R_chance" becomes "MAP@R" of the features "chance". A value at chance does not depend on the features, so
    every feature set has the same one; only the first is kept.
    """
    separated: dict[tuple[str, str, str, str], Score] = {}
    for score in scores:
        features = CHANCE if score.metric in METRICS_AT_CHANCE else score.features
        for metric in METRICS_AT_CHANCE.get(score.metric, (score.metric,)):
            renamed = score._replace(features=features, metric=metric)
            separated.setdefault(renamed[:4], renamed)
    return list(separated.values())


def is_yardstick(features: str) -> bool:
    """Return whether a feature set is something that the trained network is compared with."""
    return features not in (TRAINED, CHANCE, COARSENED)


def in_order(features: Iterable[str]) -> list[str]:
    """Return the feature sets, each once, as they are shown: trained, the yardsticks, chance, coarse labels."""
    found = list(dict.fromkeys(features))
    own = [name for name in found if is_yardstick(name) and name not in YARDSTICKS]
    return [name for name in (TRAINED, *YARDSTICKS, *own, CHANCE, COARSENED) if name in found]


def look(features: str) -> Look:
    """Return how a yardstick or chance is shown."""
    return CHANCE_LOOK if features == CHANCE else YARDSTICKS.get(features, USER_YARDSTICK)


def feature_title(features: str) -> str:
    """Return the name of a feature set for people, such as "band statistics"."""
    return FEATURE_TITLES.get(features, features)


def format_score(score: Score) -> str:
    """Return mean and standard deviation for people, "0.812 ±0.011", or "-" if the score has no value."""
    return f"{score.mean:.3f} ±{score.std:.3f}" if math.isfinite(score.mean) else "-"
