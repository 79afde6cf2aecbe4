"""What a score is compared with: the same metric with other features, and at chance."""

import math
from collections.abc import Iterable

from evaluation.scoring import Score
from evaluation.segmentation import COARSENED

COLUMNS = ("trained", "untrained", "band_statistics", "chance")

HEADINGS = {"band_statistics": "band statistics", COARSENED: "coarse labels"}
SPREAD = "standard deviation over the draws (of segmentation: over cells drawn anew)"  # what stands behind the ±

# metric at chance -> the metrics it is the chance of
CHANCE_OF = {
    "MAP@R_chance": ("MAP@R",),
    "MAP_chance": ("MAP@1", "MAP@5", "MAP@10"),
    "graded_MAP@R_chance": ("graded_MAP@R",),
}


def chance_apart(scores: Iterable[Score]) -> list[Score]:
    """The same scores, where a metric at chance has become the metric itself with the features "chance".

    It does not depend on the features, so every feature set has the same: the first stays.
    """
    apart = {}
    for score in scores:
        features = "chance" if score.metric in CHANCE_OF else score.features
        for metric in CHANCE_OF.get(score.metric, (score.metric,)):
            same = score._replace(features=features, metric=metric)
            apart.setdefault(same[:4], same)
    return list(apart.values())


def heading(features: str) -> str:
    """Features as people read them."""
    return HEADINGS.get(features, features)


def spread(score: Score) -> str:
    """Mean and standard deviation for people, "0.812 ±0.011"; "-" where there is none."""
    return f"{score.mean:.3f} ±{score.std:.3f}" if math.isfinite(score.mean) else "-"
