"""The feature sets whose scores are shown side by side (trained, baselines, chance), and how they are written."""

import math
from collections.abc import Iterable

from evaluation.scoring import Score
from evaluation.segmentation import COARSENED

# the order in which feature sets are shown
FEATURES = ("trained", "untrained", "band_statistics", "chance")

FEATURE_TITLES = {"band_statistics": "band statistics", COARSENED: "coarse labels"}
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
        features = "chance" if score.metric in METRICS_AT_CHANCE else score.features
        for metric in METRICS_AT_CHANCE.get(score.metric, (score.metric,)):
            renamed = score._replace(features=features, metric=metric)
            separated.setdefault(renamed[:4], renamed)
    return list(separated.values())


def feature_title(features: str) -> str:
    """Return the name of a feature set for people, such as "band statistics"."""
    return FEATURE_TITLES.get(features, features)


def format_score(score: Score) -> str:
    """Return mean and standard deviation for people, "0.812 ±0.011", or "-" if the score has no value."""
    return f"{score.mean:.3f} ±{score.std:.3f}" if math.isfinite(score.mean) else "-"
